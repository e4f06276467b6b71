package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A partition is the first of a topic, asked by requests of our own on one connection to its leader.
type partition struct {
	topic  kmsg.MetadataResponseTopic
	leader *kgo.Broker
}

func open(client *kgo.Client, topic string) partition {
	metadata := describe(client, topic)
	return partition{metadata, client.Broker(int(metadata.Partitions[0].Leader))}
}

// fetch answers the batches at an offset as they came, never decoded.
func (p partition) fetch(offset int64, bytes int32) []byte {
	request := kmsg.NewPtrFetchRequest()
	request.MaxBytes, request.MinBytes, request.MaxWaitMillis = bytes, 1, 100
	request.SessionEpoch = -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = *p.topic.Topic, p.topic.TopicID
	part := kmsg.NewFetchRequestTopicPartition()
	part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = offset, bytes, -1
	t.Partitions = append(t.Partitions, part)
	request.Topics = append(request.Topics, t)
	response, err := p.leader.Request(context.Background(), request)
	fail(err)
	got := response.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	fail(kerr.ErrorForCode(got.ErrorCode))
	return got.RecordBatches
}

// batches gives the whole batches of format v2 in what was fetched: first and last offset and how many
// records. The last batch may be cut, but its header is there if its records are of interest.
func batches(data []byte, each func(first, last int64, records int, whole bool)) {
	for len(data) >= 61 {
		first, size := int64(binary.BigEndian.Uint64(data)), 12+int(binary.BigEndian.Uint32(data[8:]))
		last := first + int64(binary.BigEndian.Uint32(data[23:]))
		each(first, last, int(binary.BigEndian.Uint32(data[57:])), size <= len(data))
		data = data[min(size, len(data)):]
	}
}

// reads asks for bytes at each of the offsets.
func reads(brokers []string, topic string, bytes int32, offsets []int64) any {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	fail(err)
	defer client.Close()
	partition := open(client, topic)
	var latencies []time.Duration
	began := time.Now()
	for _, offset := range offsets {
		sent := time.Now()
		data := partition.fetch(offset, bytes)
		latencies = append(latencies, time.Since(sent))
		found := false
		batches(data, func(first, last int64, _ int, _ bool) { found = found || first <= offset && offset <= last })
		if !found {
			fail(fmt.Errorf("offset %d is not in the answer", offset))
		}
	}
	return summary(latencies, time.Since(began), 0, 0)
}

// fetch has readers read the partition from the start until each has that many records, and again and
// again. Nothing is decoded, so it is fast enough to show what a broker can send.
func fetch(brokers []string, topic string, bytes int32, records, readers, times int) any {
	var partitions []partition
	for range readers {
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
		fail(err)
		defer client.Close()
		partitions = append(partitions, open(client, topic))
		// The first request opens the connection.
		partitions[len(partitions)-1].fetch(0, 1)
	}
	var running sync.WaitGroup
	began := time.Now()
	for _, partition := range partitions {
		running.Add(1)
		go func() {
			defer running.Done()
			for range times {
				partition.readAll(bytes, records)
			}
		}()
	}
	running.Wait()
	all := records * readers * times
	return result{Records: all, Rate: float64(all) / time.Since(began).Seconds()}
}

// readAll reads from the start, a request after the other, and fails if a record is missing.
func (p partition) readAll(bytes int32, records int) {
	seen, next := 0, int64(0)
	for seen < records {
		before := next
		batches(p.fetch(next, bytes), func(first, last int64, count int, whole bool) {
			if whole && first != next {
				fail(fmt.Errorf("offset %d came after %d", first, next-1))
			}
			if whole {
				seen, next = seen+count, last+1
			}
		})
		if next == before {
			fail(fmt.Errorf("%d of %d records came", seen, records))
		}
	}
	if seen != records {
		fail(fmt.Errorf("%d records came instead of %d", seen, records))
	}
}

// count tells how many offsets lie between the start and the end of all partitions. A broker may know of
// a topic, or of its leaders, a moment later than another.
func count(brokers []string, topic string) any {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DialTimeout(time.Second))
	fail(err)
	defer client.Close()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		ends, err := offsets(client, topic, -1)
		if err == nil {
			starts, err := offsets(client, topic, -2)
			if err == nil {
				return map[string]int64{"records": ends - starts}
			}
		}
		if time.Since(began) > 30*time.Second {
			fail(err)
		}
	}
}

// offsets is the sum of what the leaders answer for a timestamp.
func offsets(client *kgo.Client, topic string, timestamp int64) (sum int64, err error) {
	metadata, err := ask(context.Background(), client, topic, false)
	if err != nil {
		return 0, err
	}
	request := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for _, known := range metadata.Topics[0].Partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = known.Partition, timestamp, -1
		t.Partitions = append(t.Partitions, p)
	}
	request.Topics = append(request.Topics, t)
	response, err := request.RequestWith(context.Background(), client)
	if err != nil {
		return 0, err
	}
	err = kerr.ErrorForCode(metadata.Topics[0].ErrorCode)
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			err = errors.Join(err, kerr.ErrorForCode(p.ErrorCode))
			sum += p.Offset
		}
	}
	return sum, err
}
