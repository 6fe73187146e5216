# The ways to run this project; CI calls `make lint test`.
.PHONY: demo test lint bench fuzz deps

# Live capture links with libpcap; without it everything else is built all the same.
HAS_PCAP = echo 'int main(void){return 0;}' | cc -x c - -lpcap -o /dev/null 2>/dev/null
# Tables of databases are read through unixODBC; that is built and tested where its headers and library are.
HAS_ODBC = echo 'int main(void){return 0;}' | cc -x c - -lodbc -o /dev/null 2>/dev/null
FEATURES = $$($(HAS_PCAP) || echo --no-default-features) $$($(HAS_ODBC) && echo --features odbc)
SUDO = $$(test "$$(id -u)" = 0 || echo sudo)

CASES = captures

demo: deps
	cargo build --release $(FEATURES)
	cargo run --release -q $(FEATURES) -- -r $(CASES)/postfix/wire.pcapng -l $(CASES)/postfix/postfix.log --session s1,s3
	cargo run --release -q $(FEATURES) -- -r $(CASES)/iis-netmon/wire.cap -l $(CASES)/iis-netmon/ex_smtp.log

test: deps
	INSTA_UPDATE=no cargo test $(FEATURES)

lint: deps
	cargo fmt --check
	cargo clippy --all-targets $(FEATURES) -- -D warnings
	cargo clippy --all-targets --no-default-features -- -D warnings

bench: deps
	cargo bench $(FEATURES)

# make fuzz T=capture S=60; takes cargo-fuzz.
T = capture
S = 60
fuzz:
	cd fuzz && cargo fuzz run -s none $(T) -- -max_total_time=$(S)

deps:
	@$(HAS_PCAP) || { echo "installing libpcap-dev, for live capture"; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq libpcap-dev; } \
	  || echo "libpcap-dev cannot be installed: live capture is left out"
