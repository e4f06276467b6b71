package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ask has the cluster tell of a topic, and makes it if wanted.
func ask(bound context.Context, client *kgo.Client, topic string, create bool) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = create
	name := kmsg.NewMetadataRequestTopic()
	name.Topic = kmsg.StringPtr(topic)
	request.Topics = append(request.Topics, name)
	return request.RequestWith(bound, client)
}

// describe tells of a topic that is there.
func describe(client *kgo.Client, topic string) kmsg.MetadataResponseTopic {
	response, err := ask(context.Background(), client, topic, false)
	fail(err)
	fail(kerr.ErrorForCode(response.Topics[0].ErrorCode))
	return response.Topics[0]
}

func leader(brokers []string, topic string) any {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	fail(err)
	defer client.Close()
	response, err := ask(context.Background(), client, topic, false)
	fail(err)
	fail(kerr.ErrorForCode(response.Topics[0].ErrorCode))
	return map[string]int32{"leader": response.Topics[0].Partitions[0].Leader, "controller": response.ControllerID}
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
	settle(brokers, topic, int(partitions), func(p kmsg.MetadataResponseTopicPartition) bool { return p.Leader >= 0 })
	return map[string]float64{"seconds": time.Since(began).Seconds()}
}

// settle asks for metadata until every partition pleases.
func settle(brokers []string, topic string, partitions int, pleases func(kmsg.MetadataResponseTopicPartition) bool) any {
	began := time.Now()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DialTimeout(time.Second))
	fail(err)
	defer client.Close()
	for time.Since(began) < 5*time.Minute {
		bound, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		response, err := ask(bound, client, topic, false)
		cancel()
		settled := err == nil && response.Topics[0].ErrorCode == 0 && len(response.Topics[0].Partitions) >= max(partitions, 1)
		if settled {
			for _, p := range response.Topics[0].Partitions {
				settled = settled && pleases(p)
			}
		}
		if settled {
			return map[string]float64{"seconds": time.Since(began).Seconds()}
		}
		time.Sleep(20 * time.Millisecond)
	}
	fail(fmt.Errorf("partitions of %s are not as they should be after five minutes", topic))
	return nil
}
