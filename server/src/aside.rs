//! Calls that ESP does not carry have a thread of their own: what it is told, what it tells, and how it is started.

use crate::setup::Failure;
use crate::tun::Tun;
use crate::wake::{Alarm, Wake};
use crate::worker::Report;
use command::Config;
use engine::carrier::{StreamEvent, StreamId};
use engine::path::Update;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Kinds of calls that have a thread of their own; one of them at most is switched on.
#[rustfmt::skip] // A line for each, so that it can go without a trace.
const ROOMS: &[Room] = &[
    crate::legacy::ROOM,
];

/// Orders that may wait for the thread, packets among them.
const ORDERS: usize = 4096;

/// Opens sockets and starts a thread, which is given a seed for chance.
type Open = fn(&Config, Links, [u8; 32], &Alarm) -> Result<JoinHandle<String>, Failure>;

/// A kind of calls.
pub(crate) struct Room {
    /// Whether the configuration switches it on.
    pub(crate) wanted: fn(&Config) -> bool,
    /// Opens what it needs and starts its thread, which ends with a line of what was lost.
    pub(crate) start: Open,
}

/// What the thread is told.
pub(crate) enum Order {
    /// What its worker must know or send.
    Update(Box<Update>),
    /// Octets for a stream.
    Send(StreamId, Vec<u8>),
    /// A stream's end, after what was sent before.
    Close(StreamId),
    /// An IP packet from the TUN that no other worker has a client for.
    Packet(Vec<u8>),
    /// Do what has been ordered before, then end.
    Stop,
}

/// What happened to a stream.
pub(crate) enum Happened {
    Opened { peer: SocketAddr, local: SocketAddr },
    Octets(Vec<u8>),
    Closed,
}

impl Happened {
    /// As the engine takes it.
    pub(crate) fn event(&self) -> StreamEvent<'_> {
        match self {
            Self::Opened { peer, local } => StreamEvent::Opened { peer: *peer, local: *local },
            Self::Octets(octets) => StreamEvent::Octets(octets),
            Self::Closed => StreamEvent::Closed,
        }
    }
}

/// Everything that the thread touches, beside what it opens itself.
pub(crate) struct Links {
    /// To be written only.
    pub(crate) tun: Tun,
    pub(crate) orders: Receiver<Order>,
    /// Rings when there are orders.
    pub(crate) bell: Arc<Wake>,
    /// To the control thread.
    pub(crate) reports: SyncSender<Report>,
    /// To be rung when there are reports.
    pub(crate) control_bell: Arc<Wake>,
}

/// The other threads' end of it.
#[derive(Clone)]
pub(crate) struct Aside {
    orders: SyncSender<Order>,
    bell: Arc<Wake>,
}

impl Aside {
    /// Hands an order to the thread; it is taken before any packet that arrives later.
    pub(crate) fn order(&self, order: Order) {
        if let Err(TrySendError::Full(order)) = self.orders.try_send(order) {
            self.bell.ring();
            // The thread waits for nobody, so this ends; if it fell, the alarm has been raised.
            let _ = self.orders.send(order);
        }
    }

    /// Offers a packet; whether there was room. To be followed by [`Self::ring`] for the batch.
    pub(crate) fn offer(&self, packet: &[u8]) -> bool {
        self.orders.try_send(Order::Packet(packet.to_vec())).is_ok()
    }

    /// Wakes the thread.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }
}

/// Starts the thread of the kind that is switched on, if one is.
pub(crate) fn start(
    config: &Config,
    tun: &Tun,
    reports: &SyncSender<Report>,
    control_bell: &Arc<Wake>,
    seed: [u8; 32],
    alarm: &Alarm,
) -> Result<Option<(Aside, JoinHandle<String>)>, Failure> {
    let Some(room) = ROOMS.iter().find(|room| (room.wanted)(config)) else { return Ok(None) };
    let trouble = |error: io::Error| Failure::new(format!("cannot start a thread: {error}"));
    let (orders, taken) = sync_channel(ORDERS);
    let bell = Arc::new(Wake::new().map_err(trouble)?);
    let links = Links {
        tun: tun.again().map_err(trouble)?,
        orders: taken,
        bell: bell.clone(),
        reports: reports.clone(),
        control_bell: control_bell.clone(),
    };
    let thread = (room.start)(config, links, seed, alarm)?;
    Ok(Some((Aside { orders, bell }, thread)))
}
