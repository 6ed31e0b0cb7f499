//! A TCP proxy that understands as much of Kafka's protocol as is needed to hold, lose, double or cut off single requests.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::wait::LONG;

/// API keys of requests.
pub const PRODUCE: i16 = 0;
pub const FETCH: i16 = 1;
pub const OFFSET_FETCH: i16 = 9;
pub const HEARTBEAT: i16 = 12;
pub const INIT_PRODUCER_ID: i16 = 22;
pub const ADD_PARTITIONS: i16 = 24;
pub const ADD_OFFSETS: i16 = 25;
pub const END_TXN: i16 = 26;
pub const TXN_OFFSET_COMMIT: i16 = 28;

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It waits, and with it all that follows on its connection, until [`Proxy::release`]. The client may give up meanwhile.
    Hold,
    /// As `Hold`, and the client's connection is closed at once.
    HoldAndCut,
    /// It never arrives.
    Lose,
    /// It arrives later, and so does all that follows on its connection.
    Delay(Duration),
    /// It arrives twice; the first answer is kept from the client.
    Double,
    /// It never arrives, and the client's connection is closed.
    CutBefore,
    /// It arrives, and the client's connection is closed before the answer.
    CutAfter,
}

/// In front of a broker on this machine; clients that begin here are led through it always.
pub struct Proxy {
    /// `bootstrap.servers`.
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// The broker as it names itself, and the port that clients are told instead of its own.
    broker: (String, u16),
    port: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    armed: Vec<(i16, Fault)>,
    released: bool,
    answered: bool,
    away: bool,
}

impl Proxy {
    /// Begins to listen. `broker` is the address that the broker advertises.
    pub fn start(broker: (String, u16)) -> Self {
        let listener = TcpListener::bind((broker.0.as_str(), 0)).expect("the proxy needs a broker on this machine");
        let port = listener.local_addr().unwrap().port();
        let address = format!("{}:{port}", broker.0);
        let shared = Arc::new(Shared { broker, port, state: Mutex::default(), changed: Condvar::new() });
        let of_listener = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if of_listener.state.lock().unwrap().away {
                    continue;
                }
                let connection = Connection::new(&of_listener, client);
                thread::spawn(move || connection.run());
            }
        });
        Self { address, shared }
    }

    /// The next request with this key meets this fault.
    pub fn arm(&self, key: i16, fault: Fault) {
        self.arm_all(&[(key, fault)]);
    }

    /// The next request with each of these keys meets the fault beside it.
    pub fn arm_all(&self, faults: &[(i16, Fault)]) {
        *self.shared.state.lock().unwrap() = State { armed: faults.to_vec(), ..State::default() };
    }

    /// The broker can't be reached any more: connections end with their next request, and no new one is served.
    pub fn go_away(&self) {
        self.shared.set(|state| state.away = true);
    }

    /// It can be reached again.
    pub fn come_back(&self) {
        self.shared.set(|state| state.away = false);
    }

    /// Whether all requests have come that were to meet a fault.
    pub fn is_hit(&self) -> bool {
        self.shared.state.lock().unwrap().armed.is_empty()
    }

    /// Lets the held request go on to the broker, and waits until the broker has answered it.
    pub fn release(&self) {
        self.shared.set(|state| state.released = true);
        self.shared.wait("the answer to the held request", |state| state.answered);
    }
}

impl Shared {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn wait(&self, what: &str, done: impl Fn(&State) -> bool) {
        let waited = self.changed.wait_timeout_while(self.state.lock().unwrap(), LONG, |state| !done(state)).unwrap();
        assert!(!waited.1.timed_out(), "waited {LONG:?} in vain for {what}");
    }

    /// Lets time pass, unless the broker goes away meanwhile.
    fn pass(&self, time: Duration) {
        drop(self.changed.wait_timeout_while(self.state.lock().unwrap(), time, |state| !state.away).unwrap());
    }

    fn fault(&self, request: &[u8]) -> Option<Fault> {
        let key = i16::from_be_bytes([request[4], request[5]]);
        let mut state = self.state.lock().unwrap();
        let at = state.armed.iter().position(|(armed, _)| *armed == key)?;
        Some(state.armed.remove(at).1)
    }

    /// Replaces the broker's address in an answer: both have the same host, so that only the port differs.
    fn lead_here(&self, answer: &mut [u8]) {
        let (host, port) = &self.broker;
        let theirs = [host.as_bytes(), &u32::from(*port).to_be_bytes()].concat();
        let ours = [host.as_bytes(), &u32::from(self.port).to_be_bytes()].concat();
        for at in 0..answer.len().saturating_sub(theirs.len() - 1) {
            if answer[at..].starts_with(&theirs) {
                answer[at..at + ours.len()].copy_from_slice(&ours);
            }
        }
    }
}

/// One client's connection, and the broker's behind it.
struct Connection {
    shared: Arc<Shared>,
    client: TcpStream,
    broker: TcpStream,
    /// Correlation ids of answers that are awaited or kept back.
    watched: Arc<Mutex<Watched>>,
}

#[derive(Default)]
struct Watched {
    held: Option<[u8; 4]>,
    doubled: Option<[u8; 4]>,
}

impl Connection {
    fn new(shared: &Arc<Shared>, client: TcpStream) -> Self {
        let broker = TcpStream::connect((shared.broker.0.as_str(), shared.broker.1)).unwrap();
        for stream in [&client, &broker] {
            stream.set_nodelay(true).unwrap();
        }
        Self { shared: Arc::clone(shared), client, broker, watched: Arc::default() }
    }

    /// Passes requests on until the client goes.
    fn run(mut self) {
        let (answers, client) = (self.broker.try_clone().unwrap(), self.client.try_clone().unwrap());
        let (shared, watched) = (Arc::clone(&self.shared), Arc::clone(&self.watched));
        thread::spawn(move || pass_answers(&shared, answers, client, &watched));
        let mut held = false;
        while let Some(request) = frame(&mut self.client) {
            if self.shared.state.lock().unwrap().away {
                self.cut();
                break;
            }
            let id = [request[8], request[9], request[10], request[11]];
            match self.shared.fault(&request) {
                Some(Fault::Lose) => continue,
                Some(Fault::Delay(time)) => self.shared.pass(time),
                Some(Fault::CutBefore) => {
                    self.cut();
                    break;
                }
                Some(Fault::Double) => {
                    self.watched.lock().unwrap().doubled = Some(id);
                    self.broker.write_all(&request).unwrap();
                }
                Some(Fault::CutAfter) => self.cut(),
                Some(fault @ (Fault::Hold | Fault::HoldAndCut)) => {
                    held = true;
                    self.watched.lock().unwrap().held = Some(id);
                    if fault == Fault::HoldAndCut {
                        self.cut();
                    }
                    self.shared.wait("the release", |state| state.released);
                }
                None => {}
            }
            self.broker.write_all(&request).unwrap();
        }
        if held {
            self.shared.wait("the answer", |state| state.answered); // The broker must not see the client go before.
        }
        self.broker.shutdown(Shutdown::Write).ok();
    }

    fn cut(&self) {
        self.client.shutdown(Shutdown::Both).ok();
    }
}

/// Passes answers on; the broker's side is read on when the client is gone.
fn pass_answers(shared: &Shared, mut broker: TcpStream, mut client: TcpStream, watched: &Mutex<Watched>) {
    while let Some(mut answer) = frame(&mut broker) {
        let id = [answer[4], answer[5], answer[6], answer[7]];
        {
            let mut watched = watched.lock().unwrap();
            if watched.held.take_if(|it| *it == id).is_some() {
                shared.set(|state| state.answered = true);
            }
            if watched.doubled.take_if(|it| *it == id).is_some() {
                continue;
            }
        }
        shared.lead_here(&mut answer);
        client.write_all(&answer).ok();
    }
    client.shutdown(Shutdown::Both).ok();
}

/// The next frame with its length; `None` at the end.
fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut frame = vec![0; 4 + usize::try_from(u32::from_be_bytes(length)).unwrap()];
    frame[..4].copy_from_slice(&length);
    stream.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}
