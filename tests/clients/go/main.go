// Command clients speaks the contract of tests/clients/README.md with two Go clients.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// record is one line of the contract. Absent fields were not sent or cannot be told by the client.
type record struct {
	Partition *int32            `json:"partition,omitempty"`
	Offset    *int64            `json:"offset,omitempty"`
	Key       *string           `json:"key"`
	Value     *string           `json:"value"`
	Headers   map[string]string `json:"headers,omitempty"`
	Timestamp *int64            `json:"timestamp,omitempty"`
}

func main() {
	if len(os.Args) < 5 {
		fail(fmt.Errorf("usage: clients sarama:VERSION|franz produce BROKERS TOPIC FILE | consume BROKERS TOPIC PARTITION COUNT | group BROKERS TOPIC GROUP COUNT | steady BROKERS TOPIC PARTITIONS WRITER"))
	}
	client, verb, brokers, topic := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	switch verb {
	case "produce":
		records := readRecords(os.Args[5])
		compression := "none"
		if len(os.Args) > 6 {
			compression = os.Args[6]
		}
		if client == "franz" {
			franzProduce(brokers, topic, records, compression)
		} else {
			saramaProduce(client, brokers, topic, records, compression)
		}
	case "consume":
		partition, err := strconv.ParseInt(os.Args[5], 10, 32)
		fail(err)
		count, err := strconv.Atoi(os.Args[6])
		fail(err)
		out := bufio.NewWriter(os.Stdout)
		if client == "franz" {
			franzConsume(brokers, topic, int32(partition), count, out)
		} else {
			saramaConsume(client, brokers, topic, int32(partition), count, out)
		}
		fail(out.Flush())
	case "group":
		count, err := strconv.Atoi(os.Args[6])
		fail(err)
		stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		if client == "franz" {
			franzGroup(stop, brokers, topic, os.Args[5], count)
		} else {
			saramaGroup(stop, client, brokers, topic, os.Args[5], count)
		}
	case "steady":
		partitions, err := strconv.ParseInt(os.Args[5], 10, 32)
		fail(err)
		stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		if client == "franz" {
			franzSteady(stop, brokers, topic, int32(partitions), os.Args[6])
		} else {
			saramaSteady(stop, client, brokers, topic, int32(partitions), os.Args[6])
		}
	default:
		fail(fmt.Errorf("unknown verb %q", verb))
	}
}

// steadily calls send every few milliseconds until it is told to stop.
func steadily(stop context.Context, partitions int32, writer string, send func(number int, partition int32, value string)) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for number := 0; stop.Err() == nil; number++ {
		partition := int32(number) % partitions
		fmt.Printf("sent %d %d\n", number, partition)
		send(number, partition, fmt.Sprintf("w%s:%d:", writer, number))
		<-tick.C
	}
}

// answered prints what became of a record.
func answered(number int, partition int32, offset int64, err error) {
	if err != nil {
		fmt.Printf("failed %d %d %q\n", number, partition, err.Error())
		return
	}
	fmt.Printf("acked %d %d %d\n", number, partition, offset)
}

func readRecords(path string) []record {
	file, err := os.Open(path)
	fail(err)
	defer file.Close()
	var records []record
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var r record
		fail(json.Unmarshal(lines.Bytes(), &r))
		records = append(records, r)
	}
	fail(lines.Err())
	return records
}

func printRecord(out *bufio.Writer, r record) {
	line, err := json.Marshal(r)
	fail(err)
	_, err = out.Write(append(line, '\n'))
	fail(err)
}

func text(bytes []byte) *string {
	if bytes == nil {
		return nil
	}
	s := string(bytes)
	return &s
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		os.Exit(1)
	}
}
