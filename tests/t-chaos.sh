#!/bin/bash
# A short storm, always the same.

export SECONDS_OF_CHAOS=60 SEED=4
exec bash "$(dirname "$0")/chaos"
