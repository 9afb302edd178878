# shellcheck shell=bash
# Names and numbers of the cloud resources, in one place: infra/deploy.sh creates the resources at Google, infra/local/run.sh
# in the emulator. shared/base/config.c has the same topics as defaults. Sourced, never run.
# shellcheck disable=SC2034 # used by the scripts that source this

MR_TOPIC=${PUBSUB_TOPIC:-mediarun-tasks}
MR_TOPIC_HIGH=${PUBSUB_TOPIC_HIGH:-mediarun-tasks-high}
MR_TOPIC_DELIVERIES=${PUBSUB_TOPIC_DELIVERIES:-mediarun-deliveries}
MR_TOPIC_DEAD=mediarun-dead-letters
# Each queue is a topic with its own push subscription, TOPIC-worker, so that no queue delays another.
MR_QUEUES=("$MR_TOPIC" "$MR_TOPIC_HIGH" "$MR_TOPIC_DELIVERIES")
MR_SUBSCRIPTION_DEAD=$MR_TOPIC_DEAD-web

# The longest time that Pub/Sub can wait for the answer to a push. A conversion may take longer: the second push finds the
# lease and is held until the task is done (ACK_DEADLINE_SECONDS of the worker is this number).
MR_ACK_DEADLINE_S=600
MR_RETRY_MIN_S=1
MR_RETRY_MAX_S=60
# The maximum, because an answer "busy" counts as an attempt.
MR_DELIVERY_ATTEMPTS=100

MR_SWEEP_JOB=mediarun-sweep
MR_SWEEP_SCHEDULE='* * * * *'
MR_SWEEP_PATH=/internal/sweep
MR_DEAD_LETTERS_PATH=/internal/dead-letters
