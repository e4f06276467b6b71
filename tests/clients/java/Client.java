import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The Java clients behind the contract of tests/clients/README.md. */
public class Client {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        if (args[0].equals("produce")) {
            produce(args[1], args[2], Path.of(args[3]), args.length > 4 ? args[4] : "none");
        } else if (args[0].equals("group")) {
            group(args[1], args[2], args[3], Integer.parseInt(args[4]), args.length > 5 ? args[5] : "");
        } else if (args[0].equals("steady")) {
            steady(args[1], args[2], Integer.parseInt(args[3]), args[4]);
        } else {
            consume(args[1], args[2], Integer.parseInt(args[3]), Integer.parseInt(args[4]));
        }
    }

    private static void produce(String brokers, String topic, Path file, String compression) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", brokers);
        config.put("acks", "all");
        config.put("enable.idempotence", "true");
        config.put("linger.ms", "5");
        config.put("compression.type", compression);
        List<Future<?>> waiting = new ArrayList<>();
        try (KafkaProducer<String, String> producer =
                     new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            for (String line : Files.readAllLines(file)) {
                JsonNode in = JSON.readTree(line);
                ProducerRecord<String, String> record = new ProducerRecord<>(topic,
                        in.hasNonNull("partition") ? in.get("partition").asInt() : null,
                        in.hasNonNull("timestamp") ? in.get("timestamp").asLong() : null,
                        in.get("key").textValue(), in.get("value").textValue());
                if (in.has("headers")) {
                    for (Iterator<Map.Entry<String, JsonNode>> it = in.get("headers").fields(); it.hasNext(); ) {
                        Map.Entry<String, JsonNode> header = it.next();
                        record.headers().add(header.getKey(), header.getValue().asText().getBytes(StandardCharsets.UTF_8));
                    }
                }
                waiting.add(producer.send(record));
            }
            producer.flush();
            for (Future<?> future : waiting) {
                future.get();
            }
        }
    }

    /** Idempotent, which is the default. */
    private static void steady(String brokers, String topic, int partitions, String writer) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", brokers);
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        AtomicBoolean stopped = new AtomicBoolean();
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopped.set(true);
            try {
                ended.await(60, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        try (KafkaProducer<String, String> producer =
                     new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            for (int n = 0; !stopped.get(); n++) {
                int number = n;
                int partition = n % partitions;
                out.println("sent " + number + " " + partition);
                producer.send(new ProducerRecord<>(topic, partition, null, "w" + writer + ":" + number + ":"),
                        (metadata, error) -> out.println(error == null
                                ? "acked " + number + " " + partition + " " + metadata.offset()
                                : "failed " + number + " " + partition + " " + error));
                Thread.sleep(5);
            }
        } finally {
            ended.countDown();
        }
    }

    private static void consume(String brokers, String topic, int partition, int count) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", brokers);
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "earliest");
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        try (KafkaConsumer<String, String> consumer =
                     new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            TopicPartition tp = new TopicPartition(topic, partition);
            consumer.assign(List.of(tp));
            consumer.seekToBeginning(List.of(tp));
            int left = count;
            while (left > 0) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    if (left-- <= 0) {
                        break;
                    }
                    out.println(line(record));
                }
            }
        }
        out.flush();
    }

    private static ObjectNode line(ConsumerRecord<String, String> record) {
        ObjectNode line = JSON.createObjectNode();
        line.put("partition", record.partition());
        line.put("offset", record.offset());
        line.put("key", record.key());
        line.put("value", record.value());
        line.put("timestamp", record.timestamp());
        ObjectNode headers = JSON.createObjectNode();
        for (Header header : record.headers()) {
            headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8));
        }
        if (!headers.isEmpty()) {
            line.set("headers", headers);
        }
        return line;
    }

    /** OPTIONS: further properties of the consumer, as key=value with commas between them. */
    private static void group(String brokers, String topic, String group, int count, String options) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", brokers);
        config.put("group.id", group);
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "earliest");
        config.put("session.timeout.ms", "6000");
        config.put("heartbeat.interval.ms", "500");
        config.put("max.poll.records", "20");
        config.put("metadata.max.age.ms", "5000");
        for (String option : options.split(",")) {
            if (option.contains("=")) {
                config.put(option.split("=", 2)[0], option.split("=", 2)[1]);
            }
        }
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
        AtomicBoolean stopped = new AtomicBoolean();
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopped.set(true);
            consumer.wakeup();
            try {
                ended.await(10, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        try {
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    out.println("assigned " + partitions);
                }

                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    out.println("revoked " + partitions);
                }
            });
            for (int left = count; left > 0 && !stopped.get(); ) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    out.println(line(record));
                    left--;
                }
                try {
                    consumer.commitSync();
                } catch (CommitFailedException | RebalanceInProgressException e) {
                    // The partitions have moved, or are about to: others read these records again.
                }
            }
        } catch (WakeupException e) {
            // SIGTERM
        } finally {
            consumer.close();
            ended.countDown();
        }
    }
}
