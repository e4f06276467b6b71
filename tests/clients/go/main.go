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
		fail(fmt.Errorf("usage: clients sarama:VERSION|franz produce BROKERS TOPIC FILE | consume BROKERS TOPIC PARTITION COUNT | group BROKERS TOPIC GROUP COUNT"))
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
	default:
		fail(fmt.Errorf("unknown verb %q", verb))
	}
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
