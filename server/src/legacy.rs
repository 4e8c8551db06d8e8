//! PPTP in the real world: TCP port 1723, GRE as IP protocol 47, and the thread that owns both.

use crate::aside::{Happened, Links, Order, Room};
use crate::clock;
use crate::raw::RawEsp;
use crate::setup::Failure;
use crate::udp::{DATAGRAM, Family, Inbox, Outgoing, Segmentation, Sender};
use crate::wake::Alarm;
use crate::worker::Report;
use command::Config;
use engine::carrier::StreamId;
use engine::legacy::Worker;
use engine::path::VNET_LEN;
use engine::time::{Instant, earliest};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc::TrySendError;
use std::thread::JoinHandle;
use std::time::Duration;
use wire::legacy::{gre, pptp};

/// How PPTP is started.
pub(crate) const ROOM: Room = Room { wanted: |config| command::legacy::pptp(config).service, start };

/// Streams that are open at once; the engine has a lower limit, and one for each source.
const MOST_STREAMS: usize = 600;
/// Streams accepted, and octets read from one, before others have their turn.
const ACCEPTS: usize = 16;
const READ: usize = 2048;
/// Octets that may wait to be sent in a stream; who does not read more is gone.
const MOST_WAITING: usize = 16 << 10;
/// How long a stream is read on after its end has been sent, so that the end arrives.
const LINGER: Duration = Duration::from_secs(2);
/// GRE packets received in one go.
const BATCH: usize = 64;
/// Orders taken before packets have their turn.
const ORDERS: usize = 256;
/// Longest nap while the control thread has no room for reports.
const NAP: Duration = Duration::from_millis(2);

fn start(config: &Config, links: Links, seed: [u8; 32], alarm: &Alarm) -> Result<JoinHandle<String>, Failure> {
    let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, pptp::PORT);
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let listener = listener.map_err(|error| {
        Failure::new(match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "TCP port {0} (PPTP) is in use; see with 'ss -tlnp sport = :{0}' who holds it and stop that, or write \
                 pptp service off",
                pptp::PORT
            ),
            _ => format!("cannot listen on TCP port {} (PPTP): {error}", pptp::PORT),
        })
    })?;
    let raw = RawEsp::open_protocol(Family::V4, gre::IP_PROTOCOL)
        .map_err(|error| Failure::new(format!("cannot receive GRE (IP protocol 47): {error}; start it as root")))?;
    let window = command::legacy::pptp(config).window;
    let thread = Thread {
        links,
        listener,
        raw,
        worker: Worker::new(seed, window),
        inbox: Inbox::new(BATCH, DATAGRAM),
        sender: Sender::new(Segmentation::Never, Family::V4),
        streams: BTreeMap::new(),
        next: 1,
        reports: VecDeque::new(),
        unwritten: 0,
        turned_away: 0,
    };
    let watch = alarm.watch("pptp");
    let run = move || {
        let _watch = watch;
        thread.run()
    };
    std::thread::Builder::new()
        .name("pptp".into())
        .spawn(run)
        .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))
}

/// A control connection's stream.
struct Stream {
    tcp: TcpStream,
    waiting: Vec<u8>,
    /// It is closed by us, and read on until this time.
    closing: Option<Instant>,
}

struct Thread {
    links: Links,
    listener: TcpListener,
    raw: RawEsp,
    worker: Worker,
    inbox: Inbox,
    sender: Sender,
    streams: BTreeMap<StreamId, Stream>,
    next: u64,
    /// For which the control thread had no room.
    reports: VecDeque<Report>,
    unwritten: u64,
    turned_away: u64,
}

/// What there is to do.
struct Ready {
    bell: bool,
    raw: bool,
    listener: bool,
    readable: Vec<StreamId>,
    writable: Vec<StreamId>,
}

impl Thread {
    fn run(mut self) -> String {
        loop {
            let ready = self.wait();
            let now = clock::now();
            if ready.bell {
                self.links.bell.hush();
            }
            if !self.obey(now) {
                return self.losses();
            }
            if ready.raw {
                self.receive(now);
            }
            if ready.listener {
                self.accept();
            }
            for stream in ready.readable {
                self.read(stream);
            }
            for stream in ready.writable {
                self.write(stream);
            }
            let closing = |stream: &Stream| stream.closing.is_none_or(|until| !now.reached(until));
            self.streams.retain(|_, stream| closing(stream));
            if self.worker.poll_timeout().is_some_and(|due| now.reached(due)) {
                self.worker.handle_timeout(now);
            }
            self.drain(now);
        }
    }

    fn wait(&self) -> Ready {
        let now = clock::now();
        let closing = self.streams.values().filter_map(|stream| stream.closing).min();
        let nap = (!self.reports.is_empty()).then(|| now.after(NAP));
        let due = earliest(earliest(self.worker.poll_timeout(), closing), nap);
        let timeout = due.map(|due| due.since(now)).map(|longest| Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(longest.subsec_nanos()),
        });
        // While the control thread has no room, clients have to wait.
        let wanted = if self.reports.is_empty() { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![
            PollFd::new(&*self.links.bell, PollFlags::IN),
            PollFd::new(&self.raw, PollFlags::IN),
            PollFd::new(&self.listener, wanted),
        ];
        fds.extend(self.streams.values().map(|stream| {
            let out = if stream.waiting.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::new(&stream.tcp, wanted | out)
        }));
        // Interrupted by a signal: nothing is ready, and the loop comes back.
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
        let happened = |at: usize| fds.get(at).map_or_else(PollFlags::empty, PollFd::revents);
        let of = |flags: PollFlags| {
            let all = self.streams.keys().zip(fds.iter().skip(3));
            all.filter(|(_, fd)| fd.revents().intersects(flags)).map(|(stream, _)| *stream).collect()
        };
        Ready {
            bell: !happened(0).is_empty(),
            raw: !happened(1).is_empty(),
            listener: happened(2).contains(PollFlags::IN),
            readable: of(PollFlags::IN | PollFlags::HUP | PollFlags::ERR),
            writable: of(PollFlags::OUT),
        }
    }

    /// Takes in what has been ordered; false if the end was.
    fn obey(&mut self, now: Instant) -> bool {
        for _ in 0..ORDERS {
            match self.links.orders.try_recv() {
                Ok(Order::Update(update)) => self.worker.apply(*update, now),
                Ok(Order::Send(stream, octets)) => self.send(stream, &octets),
                Ok(Order::Close(stream)) => self.close(stream, now),
                Ok(Order::Packet(mut packet)) => self.worker.outbound(&mut packet, now),
                Ok(Order::Stop) => {
                    self.drain(now);
                    return false;
                }
                Err(_) => return true,
            }
        }
        // There may be more, but others come first.
        self.links.bell.ring();
        true
    }

    fn receive(&mut self, now: Instant) {
        // What cannot be received is lost like anything on a network.
        if self.inbox.receive(self.raw.as_fd()).unwrap_or(0) == 0 {
            return;
        }
        for packet in self.raw.packets(&mut self.inbox) {
            let Some(local) = packet.local else { continue };
            self.worker.inbound(packet.bytes, packet.peer.ip(), local, now);
        }
    }

    /// Sends, writes and tells what the worker has.
    fn drain(&mut self, now: Instant) {
        while let Some(packet) = self.worker.poll_inward() {
            if self.links.tun.write(&[IoSlice::new(&[0; VNET_LEN]), IoSlice::new(&packet)]).is_err() {
                self.unwritten += 1;
            }
        }
        let packets: Vec<_> = std::iter::from_fn(|| self.worker.poll_transmit()).collect();
        let outgoing = packets.iter().map(|packet| Outgoing {
            peer: SocketAddr::new(packet.peer, 0),
            local: packet.local,
            bytes: &packet.bytes,
        });
        self.sender.send(self.raw.as_fd(), outgoing, now.0);
        while self.reports.len() < BATCH
            && let Some(note) = self.worker.poll_note()
        {
            self.reports.push_back(Report::Note(note));
        }
        let mut told = false;
        while let Some(report) = self.reports.pop_front() {
            match self.links.reports.try_send(report) {
                Ok(()) => told = true,
                Err(TrySendError::Full(report)) => {
                    self.reports.push_front(report);
                    break;
                }
                // The control thread is gone, and the end is near.
                Err(TrySendError::Disconnected(_)) => break,
            }
        }
        if told {
            self.links.control_bell.ring();
        }
    }

    fn tell(&mut self, stream: StreamId, happened: Happened) {
        self.reports.push_back(Report::Stream(stream, happened));
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            let Ok((tcp, peer)) = self.listener.accept() else { return };
            let Ok(SocketAddr::V4(local)) = tcp.local_addr() else { continue };
            if self.streams.len() >= MOST_STREAMS || tcp.set_nonblocking(true).is_err() {
                self.turned_away += 1;
                continue;
            }
            // Messages are small, and each of them is an answer or a question.
            let _ = tcp.set_nodelay(true);
            let stream = StreamId(self.next);
            self.next += 1;
            self.streams.insert(stream, Stream { tcp, waiting: Vec::new(), closing: None });
            self.tell(stream, Happened::Opened { peer, local: local.into() });
        }
    }

    fn read(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let mut octets = [0; READ];
        match stream.tcp.read(&mut octets) {
            Ok(0) => self.lost(id),
            Ok(_) if stream.closing.is_some() => {}
            Ok(length) => {
                let octets = octets.get(..length).unwrap_or_default().to_vec();
                self.tell(id, Happened::Octets(octets));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.lost(id),
        }
    }

    /// The client is gone.
    fn lost(&mut self, id: StreamId) {
        if self.streams.remove(&id).is_some_and(|stream| stream.closing.is_none()) {
            self.tell(id, Happened::Closed);
        }
    }

    fn send(&mut self, id: StreamId, octets: &[u8]) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.closing.is_none()) else { return };
        if stream.waiting.len() + octets.len() > MOST_WAITING {
            return self.lost(id);
        }
        stream.waiting.extend_from_slice(octets);
        self.write(id);
    }

    fn write(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        while !stream.waiting.is_empty() {
            match stream.tcp.write(&stream.waiting) {
                Ok(0) => return self.lost(id),
                Ok(length) => drop(stream.waiting.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.lost(id),
            }
        }
        if stream.closing.is_some() {
            let _ = stream.tcp.shutdown(Shutdown::Write);
        }
    }

    fn close(&mut self, id: StreamId, now: Instant) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.closing = Some(now.after(LINGER));
            self.write(id);
        }
    }

    fn losses(&self) -> String {
        let totals = self.worker.totals();
        let all = [
            ("gre_malformed", totals.malformed),
            ("gre_unknown_call", totals.unknown_call),
            ("gre_wrong_address", totals.wrong_address),
            ("gre_plain", totals.plain),
            ("gre_undecrypted", totals.undecrypted),
            ("pptp_turned_away", self.turned_away),
            ("tun_refused", self.unwritten),
            ("send_refused", self.sender.sent().refused),
        ];
        let lost = all.iter().filter(|(_, count)| *count > 0).map(|(why, count)| format!("{why}={count}"));
        lost.collect::<Vec<_>>().join(" ")
    }
}
