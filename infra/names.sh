# shellcheck shell=bash
# The names and numbers of the cloud's parts, once: infra/deploy.sh makes them at Google, infra/local/run.sh in the
# embedded cloud. shared/base/config.c has the same topics as its defaults. Sourced, never run.
# shellcheck disable=SC2034 # read by those who source this

MR_TOPIC=${PUBSUB_TOPIC:-mediarun-tasks}
MR_TOPIC_HIGH=${PUBSUB_TOPIC_HIGH:-mediarun-tasks-high}
MR_TOPIC_DELIVERIES=${PUBSUB_TOPIC_DELIVERIES:-mediarun-deliveries}
MR_TOPIC_DEAD=mediarun-dead-letters
# A lane is a topic with a push subscription of its own, LANE-worker, so that none waits behind another.
MR_LANES=("$MR_TOPIC" "$MR_TOPIC_HIGH" "$MR_TOPIC_DELIVERIES")
MR_SUBSCRIPTION_DEAD=$MR_TOPIC_DEAD-web

# The longest that Pub/Sub can wait for a push's answer. A conversion may take longer: its second push finds the lease
# and is acknowledged.
MR_ACK_DEADLINE_S=600
MR_RETRY_MIN_S=1
MR_RETRY_MAX_S=60
# As many as there can be: an answer "busy, later" counts as one.
MR_DELIVERY_ATTEMPTS=100

MR_SWEEP_JOB=mediarun-sweep
MR_SWEEP_SCHEDULE='* * * * *'
MR_SWEEP_PATH=/internal/sweep
MR_DEAD_LETTERS_PATH=/internal/dead-letters
