// Google's Node client for Pub/Sub against the emulator, over REST (`fallback`): its default, gRPC, is not what the
// emulator speaks, so its streaming pull (subscription.on('message')) is out of reach.
// EMULATOR_HOST, EMULATOR_PORT: where the emulator listens; PUBSUB_EMULATOR_HOST: the same, for the PubSub class.
import assert from 'node:assert/strict';
import test from 'node:test';

import {PubSub, v1} from '@google-cloud/pubsub';

const project = `node-${Date.now()}`;
const rest = {
  projectId: project,
  fallback: true,
  protocol: 'http',
  apiEndpoint: process.env.EMULATOR_HOST,
  port: Number(process.env.EMULATOR_PORT),
};
const publisher = new v1.PublisherClient(rest);
const subscriber = new v1.SubscriberClient(rest);
const topic = `projects/${project}/topics/topic`;
const subscription = `projects/${project}/subscriptions/subscription`;

// Over REST with real credentials the client's errors carry the HTTP status, not google.rpc.Code.
const INVALID_ARGUMENT = 400;
const NOT_FOUND = 404;
const ALREADY_EXISTS = 409;

async function code(promise) {
  try {
    await promise;
  } catch (error) {
    return error.code;
  }
  return 'no error';
}

async function pull() {
  const [answer] = await subscriber.pull({subscription, maxMessages: 10, returnImmediately: true});
  return answer.receivedMessages;
}

test('topic and subscription', async () => {
  assert.equal((await publisher.createTopic({name: topic}))[0].name, topic);
  assert.equal(await code(publisher.createTopic({name: topic})), ALREADY_EXISTS);
  assert.equal(await code(publisher.getTopic({topic: `${topic}-none`})), NOT_FOUND);
  assert.equal(await code(publisher.createTopic({name: `projects/${project}/topics/t`})), INVALID_ARGUMENT);
  const [made] = await subscriber.createSubscription({
    name: subscription, topic, ackDeadlineSeconds: 20, retryPolicy: {minimumBackoff: {seconds: 1}}});
  assert.equal(made.ackDeadlineSeconds, 20);
  assert.equal(Number(made.retryPolicy.maximumBackoff.seconds), 600);
  const [changed] = await subscriber.updateSubscription({
    subscription: {name: subscription, ackDeadlineSeconds: 40}, updateMask: {paths: ['ack_deadline_seconds']}});
  assert.equal(changed.ackDeadlineSeconds, 40);
  assert.deepEqual((await publisher.listTopics({project: `projects/${project}`}))[0].map((t) => t.name), [topic]);
  assert.deepEqual((await publisher.listTopicSubscriptions({topic}))[0], [subscription]);
});

test('publish, pull, acknowledge', async () => {
  const [{messageIds}] = await publisher.publish({topic, messages: [
    {data: Buffer.from('hellø'), attributes: {k: 'v'}}, {attributes: {only: 'this'}}]});
  const got = await pull();
  assert.deepEqual(got.map((one) => one.message.messageId), messageIds);
  assert.equal(got[0].message.data.toString(), 'hellø');
  assert.deepEqual({...got[0].message.attributes}, {k: 'v'});
  assert.ok(Math.abs(Number(got[0].message.publishTime.seconds) - Date.now() / 1000) < 60);
  const ackIds = got.map((one) => one.ackId);
  await subscriber.modifyAckDeadline({subscription, ackIds, ackDeadlineSeconds: 60});
  await subscriber.acknowledge({subscription, ackIds});
  assert.deepEqual(await pull(), []);
});

test('the PubSub class publishes through PUBSUB_EMULATOR_HOST', async () => {
  const pubsub = new PubSub({projectId: project, fallback: true, protocol: 'http'});
  const id = await pubsub.topic('topic').publishMessage({data: Buffer.from('by class')});
  const [got] = await pull();
  assert.equal(got.message.messageId, id);
  assert.equal(got.message.data.toString(), 'by class');
  await pubsub.close();
});

test('delete', async () => {
  await subscriber.deleteSubscription({subscription});
  assert.equal(await code(subscriber.getSubscription({subscription})), NOT_FOUND);
  await publisher.deleteTopic({topic});
});
