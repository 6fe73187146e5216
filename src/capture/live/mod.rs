//! Live interfaces through libpcap.
//!
//! libpcap waits for a first packet without an end where the kernel hands packets over in blocks (`TPACKET_V3`): whoever waits inside it
//! does not see that it shall stop. Interfaces are therefore never waited for inside libpcap: [`Live`] polls them itself.

mod device;
mod privileges;
mod tap;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::input::Stop;
use crate::model::{DamageLog, LostPackets, Span};

use super::{CaptureClock, CaptureReport, Format, Reader, Record};
use tap::{Held, Tap};

pub use device::{Device, devices};
pub use privileges::{DropError, drop_to};
pub use tap::{HowToListen, Mode};

/// How often silent interfaces let the stop flag be looked at, and after which time at the latest the kernel hands over what it has.
const WAKE_MILLIS: u16 = 100;
/// Packets of several interfaces are given in the order of time as long as none comes later than this.
const LATENESS: Span = Span::millis(250);
const LATENESS_WAIT: Duration = Duration::from_millis(250);
/// Octets of packets that wait for their turn.
const MAX_HELD: usize = 64 << 20;
/// Packets taken off one interface before the next gets its turn.
const BATCH: usize = 256;
/// How often the kernel is asked what it lost.
const ASK: Duration = Duration::from_secs(1);

/// What to listen to.
#[derive(Clone, Debug, Default)]
pub struct LiveRequest {
    /// Names of interfaces; `any` for all.
    pub interfaces: Vec<String>,
    /// Filter in the language of pcap-filter(7).
    pub filter: Option<String>,
    /// How each is listened to.
    pub how: HowToListen,
    /// User to become once the interfaces are open.
    pub user: Option<String>,
}

/// Why an interface cannot be listened to.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The filter is wrong.
    #[error("the filter '{filter}' is not understood: {source}\nman pcap-filter has its language")]
    Filter {
        /// As given.
        filter: String,
        /// What libpcap said.
        source: pcap::Error,
    },
    /// There is no such interface.
    #[error("there is no interface '{interface}'\nbothends -D lists those that there are")]
    NoSuch {
        /// As given.
        interface: String,
    },
    /// The system refused.
    #[error("cannot listen on '{interface}': {source}{}", remedy(*.missing_right))]
    Refused {
        /// As given.
        interface: String,
        /// What libpcap said.
        source: pcap::Error,
        /// Whether this process lacks the right to capture.
        missing_right: bool,
    },
    /// The interfaces are open, and the privileges cannot be given up.
    #[error(transparent)]
    Drop(#[from] DropError),
}

/// How a program gets the right to capture: said of this very one.
fn remedy(missing_right: bool) -> String {
    if !missing_right {
        return String::new();
    }
    let program = std::env::current_exe().map_or_else(
        |_| "$(command -v bothends)".into(),
        |path| format!("'{}'", path.display()),
    );
    format!(
        "\nit takes the right to capture: run it as root (-Z USER gives that up again), or once:\nsudo setcap cap_net_raw,cap_net_admin=eip {program}"
    )
}

/// Packets of interfaces as they pass.
pub struct Live {
    taps: Vec<Tap>,
    packet: Held,
    stop: Stop,
    /// Nothing more is taken off the interfaces.
    over: bool,
    /// Since when no interface had a packet.
    silent_since: Instant,
    asked: Instant,
    lost: LostPackets,
    damage: DamageLog,
}

impl Live {
    /// Begins to listen, and gives up privileges where that is asked for.
    ///
    /// # Errors
    /// When the system refuses, or the filter is wrong.
    pub fn open(request: &LiveRequest, stop: &Stop) -> Result<Self, LiveError> {
        let taps = request
            .interfaces
            .iter()
            .map(|name| Tap::open(name, request))
            .collect::<Result<_, _>>()?;
        if let Some(user) = &request.user {
            drop_to(user)?;
        }
        Ok(Self {
            taps,
            packet: Held::default(),
            stop: stop.clone(),
            over: false,
            silent_since: Instant::now(),
            asked: Instant::now(),
            lost: LostPackets::default(),
            damage: DamageLog::default(),
        })
    }

    /// `eth0 (ethernet) and lo (ethernet)`.
    pub fn listening(&self) -> String {
        let names: Vec<String> = self.taps.iter().map(Tap::described).collect();
        names.join(" and ")
    }

    /// The interface whose packet is to be given next.
    fn due(&self) -> Option<usize> {
        let fronts = self.taps.iter().enumerate();
        let (earliest, at) = fronts
            .filter_map(|(at, tap)| Some((tap.front()?, at)))
            .min()?;
        if self.over || self.taps.len() == 1 {
            return Some(at);
        }
        let newest = self.taps.iter().filter_map(Tap::newest).max()?;
        let held: usize = self.taps.iter().map(Tap::held_octets).sum();
        let settled = newest.since(earliest) > LATENESS
            || self.silent_since.elapsed() > LATENESS_WAIT
            || held > MAX_HELD;
        settled.then_some(at)
    }

    /// Takes what the interfaces have, or waits a little for them.
    fn gather(&mut self) {
        let mut taken = 0;
        for tap in &mut self.taps {
            taken += tap.take(BATCH, &mut self.damage);
        }
        if taken > 0 {
            self.silent_since = Instant::now();
        } else {
            self.wait();
        }
        if self.asked.elapsed() > ASK {
            self.ask();
        }
        if self.stop.is_set() {
            self.take_the_rest();
        }
        self.over |= self.taps.iter().all(Tap::is_gone);
    }

    /// What passed before the end is still used: the kernel hands it over within the wait.
    fn take_the_rest(&mut self) {
        let since = Instant::now();
        let room = |taps: &[Tap]| taps.iter().map(Tap::held_octets).sum::<usize>() < MAX_HELD;
        while since.elapsed() < LATENESS_WAIT && room(&self.taps) {
            let taken = self.taps.iter_mut();
            let taken: usize = taken.map(|tap| tap.take(BATCH, &mut self.damage)).sum();
            if taken == 0 {
                self.wait();
            }
        }
        self.over = true;
    }

    fn wait(&mut self) {
        // Without any this is a pause.
        let open = self.taps.iter().filter(|tap| !tap.has_failed());
        let mut waiting: Vec<PollFd<'_>> = open
            .map(|tap| PollFd::new(tap.as_fd(), PollFlags::POLLIN))
            .collect();
        match poll(&mut waiting, PollTimeout::from(WAKE_MILLIS)) {
            // An interrupted wait is as good as one that is over.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(WAKE_MILLIS.into())),
        }
    }

    fn ask(&mut self) {
        self.asked = Instant::now();
        let mut lost = LostPackets::default();
        for tap in &mut self.taps {
            let here = tap.lost();
            lost.by_system += here.by_system;
            lost.by_interface += here.by_interface;
        }
        self.lost = lost;
    }
}

impl Reader for Live {
    fn advance(&mut self) -> Option<Record> {
        loop {
            if let Some(at) = self.due() {
                let tap = self.taps.get_mut(at)?;
                self.packet = tap.give(std::mem::take(&mut self.packet))?;
                let interface = u32::try_from(at).unwrap_or(u32::MAX);
                return Some(Record {
                    interface,
                    ..self.packet.record
                });
            }
            if self.over {
                self.packet = Held::default();
                self.ask();
                return None;
            }
            self.gather();
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.packet.bytes
    }

    fn consumed(&self) -> u64 {
        0
    }

    fn lost(&self) -> LostPackets {
        self.lost
    }

    fn end(&mut self) {
        self.ask();
    }

    fn report(&self) -> CaptureReport {
        let names = self.taps.iter().map(|tap| tap.name().to_owned());
        CaptureReport {
            variant: self.taps.first().map(Tap::variant).unwrap_or_default(),
            interfaces: (0..).zip(names).collect(),
            lost: self.lost,
            damage: self.damage.clone(),
            ..CaptureReport::new(Format("live"), CaptureClock::Utc)
        }
    }
}
