//! Who has what, looked up without walking over the clients: the owner of a tunnel's id, the other sessions of a user, and
//! who has been silent for longest.

use crate::client::Client;
use crate::event::Instance;
use crate::time::Instant;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A user's device, as far as it tells: its host name and vendor in L2TP.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Device {
    user: Arc<str>,
    name: Option<(String, String)>,
}

/// What the census has noted of a client.
#[derive(Clone, Default)]
pub(crate) struct Noted {
    tunnel_id: Option<u16>,
    device: Option<Arc<Device>>,
    /// It has nothing to send on.
    lost: bool,
    /// When it was heard, at the earliest, by user and by tunnel.
    heard: Instant,
    heard_on: Option<Instant>,
}

/// All clients, by what is looked up of them.
#[derive(Default)]
pub(crate) struct Census {
    /// By our id of the L2TP tunnel.
    tunnel_ids: BTreeSet<(u16, u32)>,
    /// Clients whose user is in.
    devices: BTreeSet<(Arc<Device>, u32)>,
    /// Those of them that have nothing to send on.
    lost: BTreeSet<(Arc<Device>, u32)>,
    /// By user and when they were heard. An entry may be older than the truth: that is found when somebody asks.
    heard: BTreeSet<(Arc<str>, Instant, u32)>,
    /// Those with a tunnel, likewise.
    heard_on: BTreeSet<(Instant, u32)>,
    /// Who has asked which other client about its tunnel: (the asked, the asking) by the one that may go.
    claims: BTreeSet<(u32, u32)>,
}

impl Census {
    /// Notes what a client has become.
    pub(crate) fn note(&mut self, client: &mut Client) {
        let id = client.id;
        for from in client.claimants() {
            self.claims.insert((from, id));
        }
        let tunnel_id = client.l2tp.as_ref().map(|t| t.local_id());
        if client.noted.tunnel_id != tunnel_id {
            self.tunnel_ids.extend(tunnel_id.map(|t| (t, id)));
            if let Some(old) = core::mem::replace(&mut client.noted.tunnel_id, tunnel_id) {
                self.tunnel_ids.remove(&(old, id));
            }
        }
        if client.tunnel.is_some() && !client.is_further() && client.noted.heard_on.is_none() {
            client.noted.heard_on = Some(client.last_heard);
            self.heard_on.insert((client.last_heard, id));
        }
        let user = client.call.as_ref().and_then(|call| call.user.as_ref());
        match (user, client.noted.device.is_some()) {
            (Some(user), false) => {
                let device = Arc::new(Device { user: Arc::from(user.as_str()), name: client.name() });
                self.heard.insert((device.user.clone(), client.last_heard, id));
                self.devices.insert((device.clone(), id));
                client.noted.heard = client.last_heard;
                client.noted.device = Some(device);
            }
            (None, true) => self.forget_device(id, &mut client.noted),
            (Some(_), true) | (None, false) => {}
        }
        let lost = !client.can_send();
        if let (Some(device), true) = (&client.noted.device, lost != client.noted.lost) {
            client.noted.lost = lost;
            if lost {
                self.lost.insert((device.clone(), id));
            } else {
                self.lost.remove(&(device.clone(), id));
            }
        }
    }

    fn forget_device(&mut self, id: u32, noted: &mut Noted) {
        let Some(device) = noted.device.take() else { return };
        self.heard.remove(&(device.user.clone(), noted.heard, id));
        let entry = (device, id);
        self.devices.remove(&entry);
        self.lost.remove(&entry);
        noted.lost = false;
    }

    /// A client is gone. Gives those that it has asked about their tunnels.
    pub(crate) fn forget(&mut self, id: u32, noted: &mut Noted) -> Vec<u32> {
        if let Some(tunnel_id) = noted.tunnel_id.take() {
            self.tunnel_ids.remove(&(tunnel_id, id));
        }
        if let Some(heard) = noted.heard_on.take() {
            self.heard_on.remove(&(heard, id));
        }
        self.forget_device(id, noted);
        let asked: Vec<u32> = self.claims.range((id, 0)..=(id, u32::MAX)).map(|(_, asked)| *asked).collect();
        for asked in &asked {
            self.claims.remove(&(id, *asked));
        }
        asked
    }

    /// The clients with an L2TP tunnel of this id.
    pub(crate) fn with_tunnel_id(&self, id: u16) -> impl Iterator<Item = u32> + '_ {
        self.tunnel_ids.range((id, 0)..=(id, u32::MAX)).map(|(_, client)| *client)
    }

    /// Clients of this user that may be what `newer` has left behind: those that call themselves alike, have nothing to
    /// send on, or have not been heard for longer than `beat`; all of them where the user may be in once only.
    pub(crate) fn beside(
        &mut self,
        user: &str,
        newer: u32,
        (alone, beat): (bool, Option<Duration>),
        clients: &mut BTreeMap<u32, Box<Client>>,
        now: Instant,
    ) -> BTreeSet<u32> {
        let user: Arc<str> = Arc::from(user);
        let name = clients.get(&newer).and_then(|client| client.name());
        let device = Arc::new(Device { user: user.clone(), name: name.filter(|_| !alone) });
        let of_user = Arc::new(Device { user: user.clone(), name: None });
        let mut found: BTreeSet<u32> = if alone {
            let from = self.devices.range((of_user, 0)..);
            from.take_while(|(device, _)| device.user == user).map(|(_, id)| *id).collect()
        } else {
            let lost = self.lost.range((of_user, 0)..).take_while(|(device, _)| device.user == user);
            let alike = self.devices.range((device.clone(), 0)..=(device, u32::MAX));
            lost.chain(alike).map(|(_, id)| *id).collect()
        };
        let Some(beat) = beat.filter(|_| !alone) else {
            found.remove(&newer);
            return found;
        };
        let mut from = (user, Instant::default(), 0);
        while let Some(entry) = self.heard.range(&from..).next().cloned() {
            let (of, noted, id) = entry.clone();
            if of != from.0 || now.since(noted) <= beat {
                break;
            }
            from = (of, noted, id.saturating_add(1));
            let Some(client) = clients.get_mut(&id) else { continue };
            if client.last_heard > noted {
                self.heard.remove(&entry);
                client.noted.heard = client.last_heard;
                self.heard.insert((entry.0, client.last_heard, id));
            } else {
                found.insert(id);
            }
        }
        found.remove(&newer);
        found
    }

    /// Of the clients with a tunnel that have not been heard for longer than `beat`, the one that has been silent for
    /// longest and is `wanted`.
    pub(crate) fn most_silent(
        &mut self,
        beat: Duration,
        clients: &mut BTreeMap<u32, Box<Client>>,
        now: Instant,
        wanted: impl Fn(&Client) -> bool,
    ) -> Option<u32> {
        let mut from = (Instant::default(), 0);
        while let Some((noted, id)) = self.heard_on.range(from..).next().copied() {
            if now.since(noted) <= beat {
                break;
            }
            from = (noted, id.saturating_add(1));
            let Some(client) = clients.get_mut(&id) else { continue };
            if client.last_heard > noted {
                self.heard_on.remove(&(noted, id));
                client.noted.heard_on = Some(client.last_heard);
                self.heard_on.insert((client.last_heard, id));
            } else if wanted(client) {
                return Some(id);
            }
        }
        None
    }
}

/// The interfaces of calls, and which number is free.
#[derive(Default)]
pub(crate) struct Instances {
    of: BTreeMap<Instance, u32>,
    /// Numbers of anonymous interfaces below the highest one that was given, which nobody has.
    free: BTreeSet<u32>,
    highest: u32,
}

impl Instances {
    /// The lowest anonymous interface that nobody has.
    pub(crate) fn free(&self) -> Instance {
        Instance::Anonymous(self.free.first().copied().unwrap_or_else(|| self.highest.saturating_add(1)))
    }

    pub(crate) fn insert(&mut self, instance: Instance, client: u32) {
        self.of.insert(instance, client);
        if let Instance::Anonymous(n) = instance {
            self.free.extend(self.highest.saturating_add(1)..n);
            self.free.remove(&n);
            self.highest = self.highest.max(n);
        }
    }

    pub(crate) fn remove(&mut self, instance: Instance) {
        if let (Some(_), Instance::Anonymous(n)) = (self.of.remove(&instance), instance) {
            self.free.insert(n);
        }
        if self.of.is_empty() {
            *self = Self::default();
        }
    }

    pub(crate) fn contains(&self, instance: Instance) -> bool {
        self.of.contains_key(&instance)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Instance, &u32)> {
        self.of.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_interface_is_given_whatever_order_they_came_and_went_in() {
        let mut all = Instances::default();
        for n in 1..=5 {
            assert_eq!(all.free(), Instance::Anonymous(n));
            all.insert(all.free(), n);
        }
        all.remove(Instance::Anonymous(4));
        all.remove(Instance::Anonymous(2));
        all.remove(Instance::Anonymous(2));
        assert_eq!(all.free(), Instance::Anonymous(2));
        all.insert(Instance::Numbered(7), 9);
        all.insert(Instance::Anonymous(2), 9);
        assert_eq!(all.free(), Instance::Anonymous(4));
        // One that a record brought along.
        all.insert(Instance::Anonymous(9), 10);
        let mut given = vec![];
        for n in 0..5 {
            given.push(all.free());
            all.insert(all.free(), 20 + n);
        }
        assert_eq!(given, [4, 6, 7, 8, 10].map(Instance::Anonymous));
    }
}
