//! The data threads as the control thread sees them: each order to the one whose client it is about.
//!
//! A client is where its number says, and so are the SAs that are made for it. There is one way to another thread: somebody
//! comes from elsewhere with SAs of its own and names a client's tunnel. Before anything touches both, the newcomer, who has
//! no session yet, goes over to the thread of the client that it claims to be, and its packets are handed on there.

use crate::steer::{Signposts, shard};
use crate::wake::Wake;
use crate::worker::{Done, Order};
use engine::path::{ClientId, SessionPath, Spi, Update};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// How long the data threads may take to do what they were ordered to.
const BARRIER: Duration = Duration::from_millis(100);

/// A data thread's end at the control thread.
pub(crate) struct Hand {
    /// What it is to do.
    orders: SyncSender<Order>,
    /// Rings when there are orders.
    bell: Arc<Wake>,
    /// Whether there are some for which it has not been rung.
    waiting: Cell<bool>,
}

impl Hand {
    /// A thread without orders.
    pub(crate) fn new(orders: SyncSender<Order>, bell: Arc<Wake>) -> Self {
        Self { orders, bell, waiting: Cell::new(false) }
    }
}

/// All data threads.
pub(crate) struct Crew {
    hands: Vec<Hand>,
    /// Where the TUN's packets go; nothing where one thread does everything.
    signposts: Option<Signposts>,
    /// Clients that have gone over, and to which thread.
    homes: BTreeMap<ClientId, usize>,
    /// SAs of ours that are not where their SPI says: on which thread, and of which client.
    moved: BTreeMap<Spi, (usize, ClientId)>,
}

/// Whom something concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    /// A client.
    Client(ClientId),
    /// The client that has this SA of ours.
    Sa(Spi),
}

impl Crew {
    /// The threads in the order of their numbers.
    pub(crate) fn new(hands: Vec<Hand>, signposts: Option<Signposts>) -> Self {
        Self { hands, signposts, homes: BTreeMap::new(), moved: BTreeMap::new() }
    }

    /// Hands an update to whom it concerns, before any packet that arrives after this; to be followed by [`Self::ring`].
    pub(crate) fn update(&mut self, update: Update) {
        if self.hands.len() == 1 {
            return self.order(0, Order::Update(Box::new(update)));
        }
        if let Update::Filters(filters) = update {
            for number in 0..self.hands.len() {
                self.order(number, Order::Update(Box::new(Update::Filters(filters.clone()))));
            }
            return;
        }
        self.bring_together(&update);
        let whose = whose(&update);
        let ended: Vec<Spi> = match &update {
            Update::Retire { spi } => self.moved.contains_key(spi).then_some(*spi).into_iter().collect(),
            Update::Gone { client } => self.moved_of(*client),
            _ => Vec::new(),
        };
        let is_gone = matches!(update, Update::Gone { .. });
        self.order(self.place(whose), Order::Update(Box::new(update)));
        for spi in ended {
            self.bring_home(spi);
        }
        if let Whose::Client(client) = whose
            && is_gone
        {
            self.homes.remove(&client);
        }
    }

    /// Wakes the threads that have got orders.
    pub(crate) fn ring(&self) {
        self.hands.iter().filter(|hand| hand.waiting.take()).for_each(|hand| hand.bell.ring());
    }

    /// Waits, for a while, until all threads have sent what they were ordered to.
    pub(crate) fn wait(&self) {
        self.ask(Order::Barrier);
    }

    /// What the threads have done together; nothing if one is too busy to say.
    pub(crate) fn done_so_far(&self) -> Option<Done> {
        let all = self.ask(Order::Tell);
        (all.len() == self.hands.len()).then(|| sum(&all))
    }

    /// Has all threads end after what was ordered before.
    pub(crate) fn stop(&self) {
        for number in 0..self.hands.len() {
            self.order(number, Order::Stop);
        }
        self.ring();
    }

    /// Asks all threads at once, and gives the answers that come in time.
    fn ask<T>(&self, order: impl Fn(SyncSender<T>) -> Order) -> Vec<T> {
        let ask = |number| {
            let (told, wait) = sync_channel(1);
            self.order(number, order(told));
            wait
        };
        let waits: Vec<_> = (0..self.hands.len()).map(ask).collect();
        self.ring();
        let until = Instant::now() + BARRIER;
        let answer = |wait: Receiver<T>| wait.recv_timeout(until.saturating_duration_since(Instant::now())).ok();
        waits.into_iter().map_while(answer).collect()
    }

    fn order(&self, number: usize, order: Order) {
        let Some(hand) = self.hands.get(number) else { return };
        hand.waiting.set(true);
        if let Err(TrySendError::Full(order)) = hand.orders.try_send(order) {
            hand.bell.ring();
            // A data thread waits for nobody, so this ends; if it fell, the alarm has been raised.
            let _ = hand.orders.send(order);
        }
    }

    /// The thread that has a client or an SA.
    fn place(&self, whose: Whose) -> usize {
        let shard = |number| shard(number, self.hands.len());
        match whose {
            Whose::Client(client) => self.homes.get(&client).copied().unwrap_or_else(|| shard(client.0)),
            Whose::Sa(spi) => self.moved.get(&spi).map_or_else(|| shard(spi.0), |(number, _)| *number),
        }
    }

    /// Sees to it that all that an update is about is on one thread, and that packets find it there.
    fn bring_together(&mut self, update: &Update) {
        match update {
            Update::Session(session) => self.put_up(session),
            // It was begun for a client that has become another since.
            Update::InstallInbound { client, spi, .. } => {
                let home = self.place(Whose::Client(*client));
                if self.place(Whose::Sa(*spi)) != home {
                    self.send_on(*spi, home, *client);
                }
            }
            Update::SealOn { client, spi, .. } => self.bring(Whose::Sa(*spi), *client),
            Update::Adopt { from, to } => {
                self.bring(Whose::Client(*from), *to);
                for spi in self.moved_of(*from) {
                    if let Some((_, owner)) = self.moved.get_mut(&spi) {
                        *owner = *to;
                    }
                }
            }
            _ => {}
        }
    }

    /// Packets to a session's addresses come to its thread.
    fn put_up(&self, session: &SessionPath) {
        let Some(signposts) = &self.signposts else { return };
        let home = self.place(Whose::Client(session.client));
        if session.address != Ipv4Addr::UNSPECIFIED {
            signposts.put(session.address, home);
        }
        if let Some(prefix) = session.ipv6.and_then(|ipv6| ipv6.prefix) {
            signposts.put_prefix(prefix, home);
        }
    }

    /// A client goes over, with all that is its own, to the thread of another, if it is not there.
    fn bring(&mut self, whose: Whose, beside: ClientId) {
        let (from, to) = (self.place(whose), self.place(Whose::Client(beside)));
        if from == to {
            return;
        }
        let (told, wait) = sync_channel(1);
        self.order(from, Order::Surrender { whose, to, state: told });
        self.ring();
        // If it is not given up in time, the client has lost its SAs, and comes again.
        let Ok(Some(state)) = wait.recv_timeout(BARRIER) else { return };
        let client = state.client;
        self.homes.insert(client, to);
        for sa in &state.inbound {
            self.send_on(sa.spi, to, client);
        }
        if let Some(session) = &state.session {
            self.put_up(session);
        }
        self.order(to, Order::TakeOver(state));
    }

    /// Packets on an SA are another thread's than its SPI says.
    fn send_on(&mut self, spi: Spi, to: usize, client: ClientId) {
        let first = shard(spi.0, self.hands.len());
        if first == to {
            return self.bring_home(spi);
        }
        self.order(first, Order::Elsewhere(spi, Some(to)));
        self.moved.insert(spi, (to, client));
    }

    /// Packets on an SA are for the thread that its SPI says, or for nobody any more.
    fn bring_home(&mut self, spi: Spi) {
        self.moved.remove(&spi);
        self.order(shard(spi.0, self.hands.len()), Order::Elsewhere(spi, None));
    }

    fn moved_of(&self, client: ClientId) -> Vec<Spi> {
        self.moved.iter().filter(|(_, (_, owner))| *owner == client).map(|(spi, _)| *spi).collect()
    }
}

/// What several threads have done.
pub(crate) fn sum(all: &[Done]) -> Done {
    let mut sum = Done::default();
    all.iter().for_each(|done| sum.add(done));
    sum
}

/// Whom an update concerns; filters are for all, and are handed over before this is asked.
fn whose(update: &Update) -> Whose {
    match update {
        Update::InstallInbound { client, .. }
        | Update::InstallOutbound { client, .. }
        | Update::Activate { client, .. }
        | Update::RetireOutbound { client, .. }
        | Update::Peer { client, .. }
        | Update::Beside { client, .. }
        | Update::Guard { client, .. }
        | Update::SessionGone { client }
        | Update::Gone { client }
        | Update::Seal { client, .. }
        | Update::SealFrame { client, .. }
        | Update::SealOn { client, .. }
        | Update::SealIp { client, .. }
        | Update::Protect { client, .. }
        | Update::Veil { client, .. }
        | Update::Window { client, .. }
        | Update::Adopt { to: client, .. } => Whose::Client(*client),
        Update::Session(session) => Whose::Client(session.client),
        Update::Await { spi }
        | Update::Distrust { spi }
        | Update::Trust { spi }
        | Update::Retire { spi }
        | Update::VolumeLimit { spi, .. }
        | Update::MayShorten { spi } => Whose::Sa(*spi),
        Update::Filters(_) => Whose::Client(ClientId(0)),
    }
}
