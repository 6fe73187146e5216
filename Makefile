# The ways to run this project; CI uses the same.
SHELL := /bin/bash
.PHONY: deps lint test

# libpcap is needed at build time for live capture only.
deps:
	@if ! [ -e /usr/include/pcap/pcap.h ]; then \
	  echo "installing libpcap-dev (for live capture)"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq libpcap-dev; \
	  else sudo apt-get update -qq && sudo apt-get install -y -qq libpcap-dev; fi; \
	fi

lint: deps
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

test: deps
	cargo test
