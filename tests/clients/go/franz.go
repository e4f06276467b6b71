package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func franzProduce(brokers, topic string, records []record, compression string) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.ClientID("franz-go"),
		kgo.ProducerBatchCompression(codecs[compression]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(5*time.Millisecond),
	)
	fail(err)
	var batch []*kgo.Record
	for i, r := range records {
		out := &kgo.Record{Topic: topic, Partition: int32(i % 3)}
		if r.Partition != nil {
			out.Partition = *r.Partition
		}
		if r.Key != nil {
			out.Key = []byte(*r.Key)
		}
		if r.Value != nil {
			out.Value = []byte(*r.Value)
		}
		for name, value := range r.Headers {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
		if r.Timestamp != nil {
			out.Timestamp = time.UnixMilli(*r.Timestamp)
		}
		batch = append(batch, out)
	}
	fail(client.ProduceSync(context.Background(), batch...).FirstErr())
	client.Close()
}

func franzConsume(brokers, topic string, partition int32, count int, out *bufio.Writer) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.ClientID("franz-go"),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}),
	)
	fail(err)
	for seen := 0; seen < count; {
		fetches := client.PollFetches(context.Background())
		for _, e := range fetches.Errors() {
			fail(e.Err)
		}
		fetches.EachRecord(func(m *kgo.Record) {
			if seen++; seen > count {
				return
			}
			printRecord(out, franzRecord(m))
		})
	}
	client.Close()
}

func franzRecord(m *kgo.Record) record {
	timestamp := m.Timestamp.UnixMilli()
	r := record{Partition: &m.Partition, Offset: &m.Offset, Key: text(m.Key), Value: text(m.Value), Timestamp: &timestamp}
	if len(m.Headers) > 0 {
		r.Headers = map[string]string{}
		for _, h := range m.Headers {
			r.Headers[h.Key] = string(h.Value)
		}
	}
	return r
}

func franzGroup(stop context.Context, brokers, topic, name string, count int) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.ClientID("franz-go"),
		kgo.ConsumerGroup(name),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
	)
	fail(err)
	out := bufio.NewWriter(os.Stdout)
	for left := count; left > 0 && stop.Err() == nil; client.AllowRebalance() {
		fetches := client.PollRecords(stop, min(left, 20))
		fetches.EachRecord(func(m *kgo.Record) {
			printRecord(out, franzRecord(m))
			left--
		})
		fail(out.Flush())
		if err := client.CommitUncommittedOffsets(context.Background()); err != nil {
			// The partitions have moved: others read these records again.
			fmt.Fprintln(os.Stderr, "franz:", err)
		}
	}
	client.CloseAllowingRebalance()
}

// franzSteady is idempotent, which is franz-go's default.
func franzSteady(stop context.Context, brokers, topic string, partitions int32, writer string) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.ClientID("franz-go"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// Its default is snappy, which not every reader has.
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	fail(err)
	steadily(stop, partitions, writer, func(number int, partition int32, value string) {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
		client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
			answered(number, partition, r.Offset, err)
		})
	})
	fail(client.Flush(context.Background()))
	client.Close()
}
