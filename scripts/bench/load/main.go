// Command load puts loads on a cluster that Java's and librdkafka's performance programs do not offer,
// through franz-go. Each prints one JSON object.
//
//	load many    BROKERS TOPIC CONNECTIONS SECONDS SIZE       one record a request, acks=all, on many connections
//	load steady  BROKERS TOPIC RATE SECONDS SIZE              latency from send to receipt at a fixed rate
//	load gap     BROKERS TOPIC SECONDS                        the longest time without an acknowledged record
//	load reads   BROKERS TOPIC BYTES OFFSET...                the time of a fetch at each offset
//	load create  BROKERS TOPIC PARTITIONS REPLICAS            creates a topic; until every partition has a leader
//	load leader  BROKERS TOPIC                                who leads partition 0
//	load settle  BROKERS TOPIC BROKER                         until no partition is led by that broker
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func main() {
	if len(os.Args) < 4 {
		fail(fmt.Errorf("usage: load many|steady|gap|reads|create|settle|leader BROKERS TOPIC ..., see main.go"))
	}
	brokers, topic := strings.Split(os.Args[2], ","), os.Args[3]
	var out any
	switch os.Args[1] {
	case "many":
		out = many(brokers, topic, number(4), seconds(5), number(6))
	case "steady":
		out = steady(brokers, topic, number(4), seconds(5), number(6))
	case "gap":
		out = gap(brokers, topic, seconds(4))
	case "reads":
		var offsets []int64
		for i := range os.Args[5:] {
			offsets = append(offsets, int64(number(5+i)))
		}
		out = reads(brokers, topic, int32(number(4)), offsets)
	case "create":
		out = create(brokers, topic, int32(number(4)), int16(number(5)))
	case "leader":
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
		fail(err)
		out = map[string]int32{"leader": describe(client, topic).Partitions[0].Leader}
	case "settle":
		out = settle(brokers, topic, 0, func(leader int32) bool { return leader >= 0 && leader != int32(number(4)) })
	default:
		fail(fmt.Errorf("unknown load %q", os.Args[1]))
	}
	fail(json.NewEncoder(os.Stdout).Encode(out))
}

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

// sleepUntil sleeps in the kernel: the runtime's own timers wake up to a millisecond late, which would
// count as the broker's latency.
func sleepUntil(due time.Time) {
	if left := time.Until(due); left > 0 {
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

// reads asks the leader for bytes at offsets, with a request each on one connection.
func reads(brokers []string, topic string, bytes int32, offsets []int64) any {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	fail(err)
	defer client.Close()
	metadata := describe(client, topic)
	leader := client.Broker(int(metadata.Partitions[0].Leader))
	var latencies []time.Duration
	began := time.Now()
	for _, offset := range offsets {
		request := kmsg.NewPtrFetchRequest()
		request.MaxBytes, request.MinBytes, request.MaxWaitMillis = bytes, 1, 100
		request.SessionEpoch = -1
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = topic, metadata.TopicID
		p := kmsg.NewFetchRequestTopicPartition()
		p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = offset, bytes, -1
		t.Partitions = append(t.Partitions, p)
		request.Topics = append(request.Topics, t)
		sent := time.Now()
		response, err := leader.Request(context.Background(), request)
		fail(err)
		latencies = append(latencies, time.Since(sent))
		got := response.(*kmsg.FetchResponse).Topics[0].Partitions[0]
		fail(kerr.ErrorForCode(got.ErrorCode))
		if len(got.RecordBatches) == 0 {
			fail(fmt.Errorf("nothing at offset %d", offset))
		}
	}
	return summary(latencies, time.Since(began), 0, 0)
}

// describe answers what the cluster says of a topic that is there.
func describe(client *kgo.Client, topic string) kmsg.MetadataResponseTopic {
	request := kmsg.NewPtrMetadataRequest()
	name := kmsg.NewMetadataRequestTopic()
	name.Topic = kmsg.StringPtr(topic)
	request.Topics = append(request.Topics, name)
	response, err := request.RequestWith(context.Background(), client)
	fail(err)
	fail(kerr.ErrorForCode(response.Topics[0].ErrorCode))
	return response.Topics[0]
}

// create has a topic made and waits for its leaders.
func create(brokers []string, topic string, partitions int32, replicas int16) any {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RequestTimeoutOverhead(5*time.Minute))
	fail(err)
	defer client.Close()
	began := time.Now()
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 300_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, replicas
	request.Topics = append(request.Topics, t)
	response, err := request.RequestWith(context.Background(), client)
	fail(err)
	fail(kerr.ErrorForCode(response.Topics[0].ErrorCode))
	settle(brokers, topic, int(partitions), func(leader int32) bool { return leader >= 0 })
	return map[string]float64{"seconds": time.Since(began).Seconds()}
}

// settle asks for metadata until every partition's leader pleases.
func settle(brokers []string, topic string, partitions int, pleases func(int32) bool) any {
	began := time.Now()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DialTimeout(time.Second))
	fail(err)
	defer client.Close()
	for time.Since(began) < 5*time.Minute {
		request := kmsg.NewPtrMetadataRequest()
		name := kmsg.NewMetadataRequestTopic()
		name.Topic = kmsg.StringPtr(topic)
		request.Topics = append(request.Topics, name)
		bound, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		response, err := request.RequestWith(bound, client)
		cancel()
		settled := err == nil && response.Topics[0].ErrorCode == 0 && len(response.Topics[0].Partitions) >= max(partitions, 1)
		if settled {
			for _, p := range response.Topics[0].Partitions {
				settled = settled && pleases(p.Leader)
			}
		}
		if settled {
			return map[string]float64{"seconds": time.Since(began).Seconds()}
		}
		time.Sleep(5 * time.Millisecond)
	}
	fail(fmt.Errorf("partitions of %s without a leader after five minutes", topic))
	return nil
}

func producer(brokers []string, topic string) *kgo.Client {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.DisableIdempotentWrite(),
		kgo.MaxProduceRequestsInflightPerBroker(1), kgo.ProducerBatchCompression(kgo.NoCompression()))
	fail(err)
	return client
}

type result struct {
	Records  int     `json:"records"`
	Failures int     `json:"failures"`
	Rate     float64 `json:"records_per_second"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	P999     float64 `json:"p999_ms"`
	Max      float64 `json:"max_ms"`
	Gap      float64 `json:"longest_gap_s"`
}

func summary(latencies []time.Duration, took time.Duration, failures int, longest time.Duration) result {
	if len(latencies) == 0 {
		fail(fmt.Errorf("not one record was answered"))
	}
	sort.Slice(latencies, func(a, b int) bool { return latencies[a] < latencies[b] })
	at := func(share float64) float64 {
		place := min(int(share*float64(len(latencies))), len(latencies)-1)
		return float64(latencies[place]) / float64(time.Millisecond)
	}
	return result{
		Records: len(latencies), Failures: failures, Rate: float64(len(latencies)) / took.Seconds(),
		P50: at(0.5), P99: at(0.99), P999: at(0.999), Max: at(1), Gap: longest.Seconds(),
	}
}

func number(place int) int {
	if place >= len(os.Args) {
		fail(fmt.Errorf("argument %d is missing", place))
	}
	n, err := strconv.Atoi(os.Args[place])
	fail(err)
	return n
}

func seconds(place int) time.Duration { return time.Duration(number(place)) * time.Second }

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}
