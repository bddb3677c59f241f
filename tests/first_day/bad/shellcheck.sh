#!/usr/bin/env bash
# A path with a space in it would be two.
rm -r $1
