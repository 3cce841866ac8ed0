#!/bin/bash
# Stops every server that these scripts started, by their pid files.
set -e
. "$(dirname "$0")/common.sh"
for it in "$BIN"/*-up.sh; do "$it" down; done
