//! Faults: how often each happens in a run, as its seed draws it, and the network between processes and the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::adapters::memory::network::{Fate, Network, Request};
use crate::sim::random::Random;
use crate::sim::stores::SimStores;
use crate::sim::trace::Trace;

/// Declares the faults with their highest rates, in 100,000ths of the times at which they may happen, and what they are.
macro_rules! faults {
    ($($name:ident $most:literal $text:literal,)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $(#[doc = $text] $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it is, in words.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            fn most(self) -> u64 {
                match self { $(Self::$name => $most,)* }
            }
        }
    };
}

faults! {
    // Of each request.
    NoAnswer 3_000 "a request of the consumer gets no answer",
    InitAstray 20_000 "InitProducerId gets lost, or its answer, or comes late or twice",
    QueueFull 2_000 "the producer's queue is full",
    RecordLost 200 "a record can't be delivered",
    OffsetsAstray 10_000 "TxnOffsetCommit gets lost, or its answer",
    EndLost 10_000 "EndTxn gets lost",
    EndReplyLost 10_000 "EndTxn is done, its answer lost",
    EndLate 10_000 "EndTxn arrives after the client gave up on it",
    EndRepeated 20_000 "EndTxn is repeated by the client, and the first copy arrives later",
    Killed 500 "a process is killed in the middle of what it does",
    // Of each turn of the simulation.
    PowerLoss 400 "a machine loses power",
    Paused 800 "a process stands still, as under SIGSTOP",
    Stopped 400 "a process is stopped and started again",
    DiskFull 400 "a disk is full for a while",
    Damage 300 "a byte on a disk is flipped",
    Wiped 100 "a disk is lost",
    Compacted 1_000 "changelogs are compacted",
    ClockSet 200 "wall clocks are set back or forth",
    Retained 1_000 "records of inputs that were processed are deleted",
}

/// How often each fault happens; what is not there does not.
pub type Rates = BTreeMap<Fault, u64>;

/// Draws rates: about half of all faults do not happen in a run, the others seldom or often.
pub fn draw(random: &mut Random) -> Rates {
    let mut rates = Rates::new();
    if random.chance(50) {
        return rates;
    }
    for fault in Fault::ALL {
        if random.chance(500) {
            rates.insert(*fault, random.between(1, fault.most()));
        }
    }
    rates
}

/// The network between simulated processes and the cluster, and the switch that kills a process in the middle of a call.
#[derive(Debug, Clone)]
pub struct SimNetwork(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    random: Random,
    rates: Rates,
    /// The longest time of a request, and of a marker.
    slowest: Duration,
    /// No more faults.
    calm: bool,
    /// The process of each client, by name.
    processes: BTreeMap<String, Host>,
    dead: BTreeSet<String>,
    counts: BTreeMap<Fault, u64>,
    trace: Trace,
}

/// Where a client runs.
#[derive(Debug, Clone)]
pub struct Host {
    /// The process.
    pub process: String,
    /// Its disk.
    pub disk: SimStores,
}

/// A late copy comes within this time.
const LATE: Duration = Duration::from_secs(20);

impl SimNetwork {
    /// A network with these rates.
    #[must_use]
    pub fn new(mut random: Random, rates: Rates, trace: Trace) -> Self {
        let slowest = match random.below(3) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(20),
            _ => Duration::from_millis(1_500),
        };
        Self(Arc::new(Mutex::new(Inner {
            random,
            rates,
            slowest,
            calm: false,
            processes: BTreeMap::new(),
            dead: BTreeSet::new(),
            counts: BTreeMap::new(),
            trace,
        })))
    }

    /// Tells where a client runs.
    pub fn host(&self, client: &str, host: Host) {
        self.inner().processes.insert(client.to_owned(), host);
    }

    /// No more faults from now on. What is under way arrives all the same.
    pub fn calm(&self) {
        self.inner().calm = true;
    }

    /// Requests take no time from now on: for those who look at what is left.
    pub fn at_once(&self) {
        self.inner().slowest = Duration::ZERO;
    }

    /// Whether a fault happens now, where it may; counted.
    pub fn strikes(&self, fault: Fault) -> bool {
        self.inner().strikes(fault)
    }

    /// Kills a process: nothing that it does has any effect any more.
    pub fn kill(&self, process: &str) {
        self.inner().dead.insert(process.to_owned());
    }

    /// Whether a process is dead.
    #[must_use]
    pub fn is_dead(&self, process: &str) -> bool {
        self.inner().dead.contains(process)
    }

    /// A process of that name is started.
    pub fn revive(&self, process: &str) {
        self.inner().dead.remove(process);
    }

    /// How often each fault happened.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Fault, u64> {
        self.inner().counts.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn strikes(&mut self, fault: Fault) -> bool {
        let Some(rate) = self.rates.get(&fault).filter(|_| !self.calm) else { return false };
        let strikes = self.random.below(100_000) < *rate;
        if strikes {
            *self.counts.entry(fault).or_default() += 1;
        }
        strikes
    }

    fn late(&mut self) -> Duration {
        self.random.duration(Duration::ZERO, LATE)
    }

    fn fate(&mut self, client: &str, request: Request) -> Fate {
        let Some(host) = self.processes.get(client).cloned() else { return Fate::Done };
        if self.dead.contains(&host.process) {
            // What was on the wire when the process died may arrive.
            return if request == Request::End && self.random.chance(500) { Fate::Done } else { Fate::Dead };
        }
        if self.strikes(Fault::Killed) {
            self.trace.say(&host.process, format_args!("is killed, at {request:?}"));
            self.dead.insert(host.process);
            host.disk.crash();
            return Fate::Dead;
        }
        let fate = self.astray(request);
        if fate != Fate::Done && !matches!(request, Request::Poll | Request::Restore) {
            self.trace.say(&host.process, format_args!("{request:?}: {fate:?}"));
        }
        fate
    }

    fn astray(&mut self, request: Request) -> Fate {
        match request {
            Request::Join | Request::Poll | Request::Lookup | Request::Restore if self.strikes(Fault::NoAnswer) => Fate::Lost,
            Request::Init if self.strikes(Fault::InitAstray) => match self.random.below(4) {
                0 => Fate::Lost,
                1 => Fate::ReplyLost,
                2 => Fate::Late(self.late()),
                _ => Fate::Repeated(self.late()),
            },
            Request::Send if self.strikes(Fault::QueueFull) => Fate::ReplyLost,
            Request::Send if self.strikes(Fault::RecordLost) => Fate::Lost,
            Request::Offsets if self.strikes(Fault::OffsetsAstray) => match self.random.below(2) {
                0 => Fate::Lost,
                _ => Fate::ReplyLost,
            },
            Request::End if self.strikes(Fault::EndLost) => Fate::Lost,
            Request::End if self.strikes(Fault::EndReplyLost) => Fate::ReplyLost,
            Request::End if self.strikes(Fault::EndLate) => Fate::Late(self.late()),
            Request::End if self.strikes(Fault::EndRepeated) => Fate::Repeated(self.late()),
            _ => Fate::Done,
        }
    }
}

impl Network for SimNetwork {
    fn fate(&mut self, client: &str, request: Request) -> Fate {
        self.inner().fate(client, request)
    }

    fn delay(&mut self) -> Duration {
        let mut inner = self.inner();
        match inner.slowest {
            Duration::ZERO => Duration::ZERO,
            slowest => inner.random.duration(Duration::ZERO, slowest),
        }
    }
}
