// Command load puts loads on a cluster that Java's and librdkafka's performance programs do not offer,
// through franz-go. Each prints one JSON object.
//
//	load many    BROKERS TOPIC CONNECTIONS SECONDS SIZE       one record a request, acks=all, on many connections
//	load steady  BROKERS TOPIC RATE SECONDS SIZE              latency from send to receipt at a fixed rate
//	load echo    ADDRESS - RATE SECONDS SIZE                  the same with a program that sends back what comes
//	load gap     BROKERS TOPIC SECONDS                        the longest time without an acknowledged record
//	load first   BROKERS TOPIC                                when a broker that starts acknowledges its first record
//	load reads   BROKERS TOPIC BYTES OFFSET...                the time of a fetch at each offset
//	load fetch   BROKERS TOPIC BYTES RECORDS READERS TIMES    reads that many records, in requests of that size
//	load count   BROKERS TOPIC                                how many records are there
//	load create  BROKERS TOPIC PARTITIONS REPLICAS            creates a topic; until every partition has a leader
//	load leader  BROKERS TOPIC                                who leads partition 0, and who is the controller
//	load settle  BROKERS TOPIC BROKER                         until no partition is led by that broker
//	load synced  BROKERS TOPIC                                until every replica is in sync
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func main() {
	if len(os.Args) < 4 {
		fail(fmt.Errorf("usage: load many|steady|echo|gap|first|reads|fetch|count|create|leader|settle|synced BROKERS TOPIC ..., see main.go"))
	}
	brokers, topic := strings.Split(os.Args[2], ","), os.Args[3]
	var out any
	switch os.Args[1] {
	case "many":
		out = many(brokers, topic, number(4), seconds(5), number(6))
	case "steady":
		out = steady(brokers, topic, number(4), seconds(5), number(6))
	case "echo":
		out = echo(brokers[0], number(4), seconds(5), number(6))
	case "gap":
		out = gap(brokers, topic, seconds(4))
	case "first":
		out = first(brokers, topic)
	case "fetch":
		out = fetch(brokers, topic, int32(number(4)), number(5), number(6), number(7))
	case "count":
		out = count(brokers, topic)
	case "reads":
		var offsets []int64
		for i := range os.Args[5:] {
			offsets = append(offsets, int64(number(5+i)))
		}
		out = reads(brokers, topic, int32(number(4)), offsets)
	case "create":
		out = create(brokers, topic, int32(number(4)), int16(number(5)))
	case "leader":
		out = leader(brokers, topic)
	case "settle":
		out = settle(brokers, topic, 0, func(p kmsg.MetadataResponseTopicPartition) bool {
			return p.Leader >= 0 && p.Leader != int32(number(4))
		})
	case "synced":
		out = settle(brokers, topic, 0, func(p kmsg.MetadataResponseTopicPartition) bool {
			return p.Leader >= 0 && len(p.ISR) == len(p.Replicas)
		})
	default:
		fail(fmt.Errorf("unknown load %q", os.Args[1]))
	}
	fail(json.NewEncoder(os.Stdout).Encode(out))
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
