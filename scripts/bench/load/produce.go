package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// many sends a record at a time on each of many connections.
func many(brokers []string, topic string, connections int, length time.Duration, size int) any {
	var mutex sync.Mutex
	var all []time.Duration
	var running sync.WaitGroup
	var ready sync.WaitGroup
	var failures int
	begin := make(chan struct{})
	for range connections {
		client := producer(brokers, topic)
		running.Add(1)
		ready.Add(1)
		go func() {
			defer running.Done()
			defer client.Close()
			value := make([]byte, size)
			// The first record opens the connections.
			err := client.ProduceSync(context.Background(), &kgo.Record{Value: value}).FirstErr()
			ready.Done()
			fail(err)
			<-begin
			var mine []time.Duration
			bad := 0
			for end := time.Now().Add(length); ; {
				sent := time.Now()
				if sent.After(end) {
					break
				}
				if err := client.ProduceSync(context.Background(), &kgo.Record{Value: value}).FirstErr(); err != nil {
					bad++
				}
				mine = append(mine, time.Since(sent))
			}
			mutex.Lock()
			all, failures = append(all, mine...), failures+bad
			mutex.Unlock()
		}()
	}
	ready.Wait()
	began := time.Now()
	close(begin)
	running.Wait()
	took := time.Since(began)
	return summary(all, took, failures, 0)
}

// steady sends at a fixed rate and reads from the tail. A record that is late because the one before
// it was late counts from when it was due: waiting is part of latency.
func steady(brokers []string, topic string, rate int, length time.Duration, size int) any {
	client := producer(brokers, topic)
	defer client.Close()
	reader, err := kgo.NewClient(kgo.SeedBrokers(brokers...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtEnd()}}),
		kgo.FetchMaxWait(500*time.Millisecond), kgo.FetchMinBytes(1))
	fail(err)
	defer reader.Close()
	total := int(length.Seconds() * float64(rate))
	value := func(due time.Time) []byte {
		v := make([]byte, max(size, 8))
		binary.BigEndian.PutUint64(v, uint64(due.UnixNano()))
		return v
	}
	var latencies []time.Duration
	done := make(chan struct{})
	seen := make(chan struct{})
	go func() {
		defer close(done)
		for first := true; len(latencies) < total; {
			fetches := reader.PollFetches(context.Background())
			now := time.Now()
			for _, e := range fetches.Errors() {
				fail(e.Err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				due := int64(binary.BigEndian.Uint64(r.Value))
				if due != 0 {
					latencies = append(latencies, now.Sub(time.Unix(0, due)))
				} else if first {
					first = false
					close(seen)
				}
			})
		}
	}()
	// The reader stands at the tail when it sees one of these.
	for waiting := true; waiting; {
		fail(client.ProduceSync(context.Background(), &kgo.Record{Value: make([]byte, 8)}).FirstErr())
		select {
		case <-seen:
			waiting = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	var mutex sync.Mutex
	failures := 0
	began := time.Now()
	for i := range total {
		due := began.Add(time.Duration(float64(i) / float64(rate) * float64(time.Second)))
		sleepUntil(due)
		client.Produce(context.Background(), &kgo.Record{Value: value(due)}, func(_ *kgo.Record, err error) {
			if err != nil {
				mutex.Lock()
				failures++
				mutex.Unlock()
			}
		})
	}
	fail(client.Flush(context.Background()))
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		fail(fmt.Errorf("only %d of %d records came back", len(latencies), total))
	}
	return summary(latencies, time.Since(began), failures, 0)
}

// echo sends at the same rate to a program that sends back what comes: what the machine itself needs.
func echo(address string, rate int, length time.Duration, size int) any {
	connection, err := net.Dial("tcp", address)
	fail(err)
	defer connection.Close()
	total := int(length.Seconds() * float64(rate))
	began := time.Now()
	due := func(i int) time.Time {
		return began.Add(time.Duration(float64(i) / float64(rate) * float64(time.Second)))
	}
	var latencies []time.Duration
	done := make(chan struct{})
	go func() {
		defer close(done)
		answer := make([]byte, size)
		for i := range total {
			_, err := io.ReadFull(connection, answer)
			fail(err)
			latencies = append(latencies, time.Since(due(i)))
		}
	}()
	for i := range total {
		sleepUntil(due(i))
		_, err := connection.Write(make([]byte, size))
		fail(err)
	}
	<-done
	return summary(latencies, time.Since(began), 0, 0)
}

// sleepUntil sleeps in the kernel: the runtime's own timers wake up to a millisecond late, which would
// count as the broker's latency. A signal ends a sleep early.
func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		rest := syscall.NsecToTimespec(left.Nanoseconds())
		_ = syscall.Nanosleep(&rest, nil)
	}
}

// gap sends one record after the other, a new one as soon as the last was answered or refused.
func gap(brokers []string, topic string, length time.Duration) any {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }),
		kgo.MetadataMinAge(10*time.Millisecond), kgo.DialTimeout(time.Second),
		kgo.ProduceRequestTimeout(time.Second))
	fail(err)
	defer client.Close()
	send := func() error {
		return client.ProduceSync(context.Background(), &kgo.Record{Value: []byte("gap")}).FirstErr()
	}
	fail(send())
	fmt.Fprintln(os.Stderr, "ready")
	var latencies []time.Duration
	failures := 0
	var longest time.Duration
	began := time.Now()
	last := began
	for time.Since(began) < length {
		sent := time.Now()
		if send() != nil {
			failures++
			continue
		}
		now := time.Now()
		latencies = append(latencies, now.Sub(sent))
		longest = max(longest, now.Sub(last))
		last = now
	}
	return summary(latencies, time.Since(began), failures, longest)
}

// first asks a broker that may not run yet until it acknowledges a record, and tells when that was.
func first(brokers []string, topic string) any {
	fmt.Fprintln(os.Stderr, "ready")
	for {
		if connection, err := net.Dial("tcp", brokers[0]); err == nil {
			connection.Close()
			if isFirst(brokers, topic) {
				return map[string]int64{"at_ns": time.Now().UnixNano()}
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// isFirst has the topic made, waits until somebody leads it, and sends a record; false if the broker
// ends meanwhile.
func isFirst(brokers []string, topic string) bool {
	bound, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client := producer(brokers, topic, kgo.RequestRetries(0), kgo.RecordRetries(1))
	defer client.Close()
	for {
		response, err := ask(bound, client, topic, true)
		if err != nil {
			return false
		}
		if t := response.Topics[0]; t.ErrorCode == 0 && len(t.Partitions) > 0 && t.Partitions[0].Leader >= 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return client.ProduceSync(bound, &kgo.Record{Value: []byte("first")}).FirstErr() == nil
}

// producer sends each record by itself, as it comes.
func producer(brokers []string, topic string, more ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(more,
		kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.DisableIdempotentWrite(),
		kgo.MaxProduceRequestsInflightPerBroker(1), kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	fail(err)
	return client
}
