package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig(client string) *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "sarama"
	name := strings.TrimPrefix(client, "sarama:")
	if name == "newest" {
		config.Version = sarama.MaxVersion
	} else {
		version, err := sarama.ParseKafkaVersion(name)
		fail(err)
		config.Version = version
	}
	return config
}

func saramaProduce(client, brokers, topic string, records []record, compression string) {
	config := saramaConfig(client)
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewRandomPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Return.Errors = true
	fail(config.Producer.Compression.UnmarshalText([]byte(compression)))
	producer, err := sarama.NewSyncProducer(strings.Split(brokers, ","), config)
	fail(err)
	for start := 0; start < len(records); start += 50 {
		var messages []*sarama.ProducerMessage
		for _, r := range records[start:min(start+50, len(records))] {
			message := &sarama.ProducerMessage{Topic: topic}
			if r.Key != nil {
				message.Key = sarama.StringEncoder(*r.Key)
			}
			if r.Value != nil {
				message.Value = sarama.StringEncoder(*r.Value)
			}
			if config.Version.IsAtLeast(sarama.V0_11_0_0) {
				for name, value := range r.Headers {
					message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(name), Value: []byte(value)})
				}
			}
			if r.Timestamp != nil {
				message.Timestamp = time.UnixMilli(*r.Timestamp)
			}
			messages = append(messages, message)
		}
		fail(producer.SendMessages(messages))
	}
	fail(producer.Close())
}

func saramaRecord(config *sarama.Config, m *sarama.ConsumerMessage) record {
	r := record{Partition: &m.Partition, Offset: &m.Offset, Key: text(m.Key), Value: text(m.Value)}
	if config.Version.IsAtLeast(sarama.V0_10_0_0) {
		timestamp := m.Timestamp.UnixMilli()
		r.Timestamp = &timestamp
	}
	if len(m.Headers) > 0 {
		r.Headers = map[string]string{}
		for _, h := range m.Headers {
			r.Headers[string(h.Key)] = string(h.Value)
		}
	}
	return r
}

func saramaConsume(client, brokers, topic string, partition int32, count int, out *bufio.Writer) {
	config := saramaConfig(client)
	config.Consumer.Return.Errors = true
	consumer, err := sarama.NewConsumer(strings.Split(brokers, ","), config)
	fail(err)
	messages, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	fail(err)
	for i := 0; i < count; i++ {
		select {
		case m := <-messages.Messages():
			printRecord(out, saramaRecord(config, m))
		case err := <-messages.Errors():
			fail(err)
		}
	}
	fail(messages.Close())
	fail(consumer.Close())
}

// saramaMember prints and commits what it is given, until it has seen enough.
type saramaMember struct {
	config *sarama.Config
	mutex  sync.Mutex
	left   int
	out    *bufio.Writer
	done   context.CancelFunc
}

func (*saramaMember) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (member *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, open := <-claim.Messages():
			if !open {
				return nil
			}
			if !member.take(session, m) {
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (member *saramaMember) take(session sarama.ConsumerGroupSession, m *sarama.ConsumerMessage) bool {
	member.mutex.Lock()
	defer member.mutex.Unlock()
	if member.left <= 0 {
		return false
	}
	printRecord(member.out, saramaRecord(member.config, m))
	fail(member.out.Flush())
	session.MarkMessage(m, "")
	if member.left--; member.left == 0 {
		member.done()
	}
	return true
}

func saramaGroup(stop context.Context, client, brokers, topic, name string, count int) {
	config := saramaConfig(client)
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	group, err := sarama.NewConsumerGroup(strings.Split(brokers, ","), name, config)
	fail(err)
	stop, done := context.WithCancel(stop)
	member := &saramaMember{config: config, left: count, out: bufio.NewWriter(os.Stdout), done: done}
	for stop.Err() == nil {
		// A round ends with every rebalance; while the coordinator is away there is none.
		if err := group.Consume(stop, []string{topic}, member); err != nil {
			fmt.Fprintln(os.Stderr, "sarama:", err)
			time.Sleep(200 * time.Millisecond)
		}
	}
	fail(group.Close())
}

// saramaSteady is idempotent where the version has it. It retries longer than sarama's default of
// three times 100 ms, as whoever wants acks=all does.
func saramaSteady(stop context.Context, client, brokers, topic string, partitions int32, writer string) {
	config := saramaConfig(client)
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Return.Errors = true
	config.Producer.Retry.Max = 300
	config.Net.MaxOpenRequests = 1
	config.Producer.Idempotent = config.Version.IsAtLeast(sarama.V0_11_0_0)
	producer, err := sarama.NewAsyncProducer(strings.Split(brokers, ","), config)
	fail(err)
	var answers sync.WaitGroup
	answers.Add(2)
	go func() {
		defer answers.Done()
		for m := range producer.Successes() {
			answered(m.Metadata.(int), m.Partition, m.Offset, nil)
		}
	}()
	go func() {
		defer answers.Done()
		for e := range producer.Errors() {
			answered(e.Msg.Metadata.(int), e.Msg.Partition, -1, e.Err)
		}
	}()
	steadily(stop, partitions, writer, func(number int, partition int32, value string) {
		producer.Input() <- &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(value), Metadata: number}
	})
	producer.AsyncClose()
	answers.Wait()
}
