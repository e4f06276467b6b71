// kafka-node and kafkajs behind the contract of tests/clients/README.md.
'use strict';
const fs = require('fs');

const [client, verb, brokers, topic, ...rest] = process.argv.slice(2);

function fail (error) {
  console.error('client.js:', error);
  process.exit(1);
}
process.on('unhandledRejection', fail);

const read = path => fs.readFileSync(path, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line));
const print = record => process.stdout.write(JSON.stringify(record) + '\n');

function chunks (list, size) {
  const out = [];
  for (let i = 0; i < list.length; i += size) out.push(list.slice(i, i + size));
  return out;
}

function kafkaNodeProduce (highLevel, path, compression) {
  const kafka = require('kafka-node');
  const kafkaClient = new kafka.KafkaClient({ kafkaHost: brokers });
  const attributes = { none: 0, gzip: 1 }[compression || 'none'];
  // The high-level producer places records by itself, one partition after the other.
  const producer = highLevel
    ? new kafka.HighLevelProducer(kafkaClient, { requireAcks: 1, partitionerType: 2 })
    : new kafka.Producer(kafkaClient, { requireAcks: 1 });
  producer.on('error', fail);
  producer.on('ready', async () => {
    for (const some of chunks(read(path), 25)) {
      const groups = new Map();
      for (const r of some) {
        const partition = highLevel ? undefined : (r.partition || 0);
        if (!groups.has(partition)) groups.set(partition, []);
        groups.get(partition).push(r.key === null ? r.value : new kafka.KeyedMessage(r.key, r.value));
      }
      const payloads = [...groups].map(([partition, messages]) =>
        Object.assign({ topic, messages, attributes }, highLevel ? {} : { partition }));
      await new Promise((resolve, reject) =>
        producer.send(payloads, (error, answer) => error ? reject(error) : resolve(answer)));
    }
    producer.close(() => process.exit(0));
  });
}

function kafkaNodeConsume (partition, count) {
  const kafka = require('kafka-node');
  const kafkaClient = new kafka.KafkaClient({ kafkaHost: brokers });
  const consumer = new kafka.Consumer(kafkaClient, [{ topic, partition, offset: 0 }],
    { autoCommit: false, fromOffset: true, encoding: 'utf8', keyEncoding: 'utf8' });
  let left = count;
  consumer.on('error', fail);
  consumer.on('message', m => {
    if (left-- <= 0) return;
    print(kafkaNodeRecord(m));
    if (left === 0) consumer.close(false, () => process.exit(0));
  });
}

async function kafkajsProduce (path, compression) {
  const { Kafka, CompressionTypes, logLevel } = require('kafkajs');
  const kafka = new Kafka({ clientId: 'kafkajs', brokers: brokers.split(','), logLevel: logLevel.ERROR });
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  for (const some of chunks(read(path), 50)) {
    await producer.send({
      topic,
      acks: -1,
      compression: { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }[compression || 'none'],
      messages: some.map(r => ({
        key: r.key,
        value: r.value,
        headers: r.headers,
        partition: r.partition,
        timestamp: r.timestamp === undefined ? undefined : String(r.timestamp)
      }))
    });
  }
  await producer.disconnect();
}

// Prints and counts; true when it was the last one wanted.
function counter (count) {
  let left = count;
  return record => {
    if (left <= 0) return false;
    print(record);
    return --left === 0;
  };
}

function kafkaNodeRecord (m) {
  const record = { partition: m.partition, offset: m.offset, key: m.key === '' ? null : m.key, value: m.value };
  if (m.timestamp) record.timestamp = new Date(m.timestamp).getTime();
  return record;
}

// What was read counts as read when the whole response has been handed out.
function endAfter (consumer, done, leave) {
  let ended = false;
  consumer.on('message', m => { ended = done(kafkaNodeRecord(m)) || ended; });
  consumer.on('done', () => { if (ended) leave(); });
}

// Commits what it has printed when it leaves, and every 200 ms before.
function kafkaNodeGroup (groupId, count) {
  const kafka = require('kafka-node');
  const group = new kafka.ConsumerGroup({
    kafkaHost: brokers, groupId, fromOffset: 'earliest', commitOffsetsOnFirstJoin: true, sessionTimeout: 6000,
    heartbeatInterval: 500, autoCommit: true, autoCommitIntervalMs: 200, encoding: 'utf8', keyEncoding: 'utf8'
  }, [topic]);
  const done = counter(count);
  const leave = () => group.close(true, () => process.exit(0));
  process.on('SIGTERM', leave);
  group.on('error', error => console.error('kafka-node:', error));
  endAfter(group, done, leave);
}

// The consumer of kafka-node's README: no membership, offsets committed by itself.
function kafkaNodeAutoCommit (groupId, count) {
  const kafka = require('kafka-node');
  const kafkaClient = new kafka.KafkaClient({ kafkaHost: brokers });
  const consumer = new kafka.Consumer(kafkaClient, [{ topic, partition: 0 }],
    { groupId, autoCommit: true, autoCommitIntervalMs: 200, encoding: 'utf8', keyEncoding: 'utf8' });
  const done = counter(count);
  const leave = () => consumer.close(true, () => process.exit(0));
  process.on('SIGTERM', leave);
  consumer.on('error', fail);
  endAfter(consumer, done, leave);
}

async function kafkajsGroup (groupId, count) {
  const { Kafka, logLevel } = require('kafkajs');
  const kafka = new Kafka({ clientId: 'kafkajs', brokers: brokers.split(','), logLevel: logLevel.NOTHING,
    retry: { retries: 30, maxRetryTime: 1000 } });
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, maxWaitTimeInMs: 200 });
  const done = counter(count);
  const leave = async () => { await consumer.disconnect(); process.exit(0); };
  process.on('SIGTERM', leave);
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommitThreshold: 1,
    eachMessage: async ({ partition, message }) => {
      const text = bytes => bytes === null ? null : bytes.toString();
      const headers = Object.entries(message.headers || {}).map(([name, value]) => [name, value.toString()]);
      const record = { partition, offset: Number(message.offset), key: text(message.key), value: text(message.value),
        timestamp: Number(message.timestamp) };
      if (headers.length) record.headers = Object.fromEntries(headers);
      // Not from within the handler, which the disconnection waits for.
      if (done(record)) setTimeout(leave, 0);
    }
  });
}

// One record at a time; what fails is not sent again, as the program that uses kafka-node decides.
function kafkaNodeSteady (partitions, writer) {
  const kafka = require('kafka-node');
  const kafkaClient = new kafka.KafkaClient({ kafkaHost: brokers });
  const producer = new kafka.Producer(kafkaClient, { requireAcks: -1, ackTimeoutMs: 2000 });
  let stopped = false;
  process.on('SIGTERM', () => { stopped = true; });
  producer.on('error', error => console.error('kafka-node:', error));
  producer.on('ready', async () => {
    for (let number = 0; !stopped; number++) {
      const partition = number % partitions;
      console.log(`sent ${number} ${partition}`);
      const payload = { topic, partition, messages: `w${writer}:${number}:` };
      await new Promise(resolve => producer.send([payload], (error, answer) => {
        if (error) console.log(`failed ${number} ${partition} ${JSON.stringify(String(error.message || error))}`);
        else console.log(`acked ${number} ${partition} ${answer[topic][partition]}`);
        setTimeout(resolve, error ? 100 : 5);
      }));
    }
    process.exit(0);
  });
}

if (client.startsWith('kafka-node') && verb === 'produce') kafkaNodeProduce(client === 'kafka-node-high-level', ...rest);
else if (client === 'kafka-node' && verb === 'consume') kafkaNodeConsume(Number(rest[0]), Number(rest[1]));
else if (client === 'kafkajs' && verb === 'produce') kafkajsProduce(...rest);
else if (client === 'kafka-node' && verb === 'group') kafkaNodeGroup(rest[0], Number(rest[1]));
else if (client === 'kafka-node-auto-commit' && verb === 'group') kafkaNodeAutoCommit(rest[0], Number(rest[1]));
else if (client === 'kafkajs' && verb === 'group') kafkajsGroup(rest[0], Number(rest[1]));
else if (client === 'kafka-node' && verb === 'steady') kafkaNodeSteady(Number(rest[0]), rest[1]);
else fail(`no such client and verb: ${client} ${verb}`);
