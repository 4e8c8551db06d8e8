//! A changed configuration takes effect at once, and ends the sessions of those alone whom it concerns.

use super::Engine;
use crate::aaa;
use crate::client::{Client, Context, proxied_lan};
use crate::event::Event;
use crate::gateways::{Gateways, Group};
use crate::outbox::{HostChange, Outbox, Output};
use crate::pool::Pool;
use crate::prefix::Prefixes;
use crate::time::Instant;
use command::{Config, Encapsulation, L2tpTunnel, PpRef, Remote};
use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

/// Tunnels that are served: none without `l2tp service on` and `ipsec use on`, and none whose interface would let
/// everybody in.
pub(super) fn served(config: &Config) -> BTreeMap<u32, L2tpTunnel> {
    let on = config.l2tp_service && config.ipsec_use;
    let closed = |t: &L2tpTunnel| config.pp(t.pp).is_some_and(|pp| pp.auth_request.is_some());
    config.l2tp_tunnels().into_iter().filter(|t| on && closed(t)).map(|t| (t.number, t)).collect()
}

/// What the pool of addresses is made of: ranges, our own addresses, those of users.
type PoolParts = (Vec<(Ipv4Addr, Ipv4Addr)>, Vec<Ipv4Addr>, Vec<Ipv4Addr>);
/// What the pool of prefixes is made of.
type PrefixParts = (Option<(Ipv6Addr, u8)>, Vec<Ipv6Addr>, Vec<Ipv6Addr>);

pub(super) fn pool_parts(config: &Config) -> PoolParts {
    let own = config.lans.values().filter_map(|l| l.address.map(|a| a.0)).collect();
    let fixed = config.anonymous.users.iter().filter_map(|u| u.address).collect();
    (config.anonymous.pool.clone(), own, fixed)
}

pub(super) fn prefix_parts(config: &Config) -> PrefixParts {
    let own = config.lans.values().filter_map(|l| l.address6.map(|a| a.0)).collect();
    let fixed = config.anonymous.users.iter().filter_map(|u| u.prefix).collect();
    (config.anonymous.prefix_pool, own, fixed)
}

impl Engine {
    /// Takes another configuration in place of the one that runs.
    pub(super) fn configure(&mut self, config: Config, now: Instant, out: &mut Outbox) {
        let before = core::mem::replace(&mut self.config, config);
        let tunnels = core::mem::replace(&mut self.tunnels, served(&self.config));
        self.configure_gateways();
        let (was, is) = (before.l2tp_service, self.config.l2tp_service);
        if !was && is {
            out.push(Output::Event(Event::PortOpened));
        }
        let (ranges, own, fixed) = pool_parts(&self.config);
        if pool_parts(&before) != (ranges.clone(), own.clone(), fixed.clone()) {
            self.pool.reconfigure(&ranges, &own, &fixed);
        }
        self.configure_prefixes(&before);
        for station in &mut self.stations {
            station.follow(&self.config);
        }
        self.settle_stations(now, out);
        let all: Vec<u32> = self.clients.keys().copied().collect();
        for id in all {
            let Some(client) = self.clients.get(&id) else { continue };
            if let Some(why) = self.concern(client, &tunnels) {
                self.end(id, &why, now, out);
                continue;
            }
            if let Some(why) = self.stranger(client) {
                if client.further.is_empty() {
                    self.end(id, &why, now, out);
                } else {
                    self.with_client(id, now, out, |c, cx| c.hang_up(&why, cx));
                }
                continue;
            }
            let old = client.tunnel.and_then(|n| tunnels.get(&n));
            let changed = old != client.tunnel.and_then(|n| self.tunnels.get(&n))
                || old.is_some_and(|t| before.pp(t.pp) != self.config.pp(t.pp));
            out.extend(self.moved_between_lans(client, &before));
            if changed {
                self.with_client(id, now, out, Client::reconfigure);
            }
        }
        if was && !is {
            out.push(Output::Event(Event::PortClosed));
        }
    }

    /// Clients keep the gateways whose key they have shown, those of them that are left.
    fn configure_gateways(&mut self) {
        let fresh = Gateways::new(&self.tunnels, &self.by_tunnel);
        let before = core::mem::replace(&mut self.gateways, fresh);
        let mut known: BTreeMap<Group, Group> = BTreeMap::new();
        for client in self.clients.values_mut() {
            let group = core::mem::take(&mut client.gateways);
            let is = known.entry(group).or_insert_with_key(|group| self.gateways.carried_over(group, Some(&before)));
            client.gateways.clone_from(is);
        }
    }

    /// Prefixes are numbered within their pool, so a changed one is made anew; what is lent stays lent.
    fn configure_prefixes(&mut self, before: &Config) {
        let (pool, own, fixed) = prefix_parts(&self.config);
        if prefix_parts(before) == (pool, own.clone(), fixed.clone()) {
            return;
        }
        self.prefixes = Prefixes::new(pool, &own, &fixed);
        for call in self.clients.values().filter_map(|c| c.call.as_ref()) {
            if let Some(prefix) = call.inside.prefix {
                self.prefixes.take(call.user.as_deref().unwrap_or_default(), prefix);
            }
        }
    }

    /// Why the configuration that runs has no room for a client any more, in the words of the line that says so.
    fn concern(&self, client: &Client, before: &BTreeMap<u32, L2tpTunnel>) -> Option<String> {
        let Some(number) = client.tunnel else {
            return client.gateways.is_empty().then(|| "the configuration was changed: no tunnel serves it".to_owned());
        };
        let Some(tunnel) = self.tunnels.get(&number) else {
            return Some(self.unserved(number, before.get(&number).map(|t| t.pp)));
        };
        let old = before.get(&number)?;
        if tunnel.gateway.id != old.gateway.id {
            return Some(format!("the configuration was changed: tunnel {number} has another security gateway"));
        }
        if tunnel.pp != old.pp {
            return Some(format!("the configuration was changed: tunnel {number} is bound to another interface"));
        }
        match tunnel.gateway.remote {
            Remote::Address(only) if only != client.endpoint.peer.ip() => {
                return Some(format!("the configuration was changed: gateway {} is for {only}", tunnel.gateway.id));
            }
            Remote::Address(_) | Remote::Any | Remote::Unset | Remote::Name(_) => {}
        }
        None
    }

    /// Whether the configuration that runs does not know the user of a client's call any more.
    fn stranger(&self, client: &Client) -> Option<String> {
        let (user, tunnel) = (client.user()?, self.tunnels.get(&client.tunnel?)?);
        let known = self.config.pp(tunnel.pp).is_some_and(|pp| aaa::knows(&pp.users, user));
        (!known).then(|| format!("the configuration was changed: there is no user '{user}' any more"))
    }

    /// Why a tunnel is not served.
    fn unserved(&self, number: u32, pp: Option<PpRef>) -> String {
        let config = &self.config;
        if !config.l2tp_service {
            return "l2tp service off".to_owned();
        }
        if !config.ipsec_use {
            return "ipsec use off".to_owned();
        }
        let Some(tunnel) = config.tunnels.get(&number) else {
            return format!("the configuration was changed: there is no tunnel {number} any more");
        };
        if !tunnel.enabled {
            return format!("tunnel disable {number}");
        }
        if tunnel.encapsulation != Encapsulation::L2tp {
            return format!("the configuration was changed: tunnel {number} does not carry L2TP any more");
        }
        let name = match pp {
            Some(PpRef::Number(n)) => n.to_string(),
            Some(PpRef::Anonymous) | None => "anonymous".to_owned(),
        };
        let interface = config.bound_to(number).and_then(|which| config.pp(which));
        match interface {
            None => format!("the configuration was changed: tunnel {number} is bound to no interface"),
            Some(interface) if !interface.enabled => format!("pp disable {name}"),
            Some(interface) if interface.auth_request.is_none() => {
                format!("the configuration was changed: pp {name} asks for no password, so nobody is let in")
            }
            Some(_) => format!("the configuration was changed: tunnel {number} has no security gateway any more"),
        }
    }

    /// Ends a client at once, telling it at every layer.
    pub(super) fn end(&mut self, id: u32, why: &str, now: Instant, out: &mut Outbox) {
        self.say_farewell(id, why, now, out);
        self.remove_client(id, why, now, out);
    }

    /// Tells a client at every layer that it is ended; first those whose calls are in its tunnel.
    pub(super) fn say_farewell(&mut self, id: u32, why: &str, now: Instant, out: &mut Outbox) {
        for (_, further) in self.clients.get(&id).map(|c| c.further.clone()).unwrap_or_default() {
            self.end(further, why, now, out);
        }
        let Some(client) = self.clients.get_mut(&id) else { return };
        let mut cx = context!(self, now, out);
        cx.aside = client.carrier.is_aside();
        client.shut_down(why, &mut cx);
        let affairs = cx.affairs;
        self.on_farewells(id, affairs, now, out);
    }

    /// Where another LAN answers for a client's address, or none does any more, the host is told.
    fn moved_between_lans(&self, client: &Client, before: &Config) -> Vec<Output> {
        let Some(up) = client.call.as_ref().and_then(|call| call.up.as_ref()) else { return vec![] };
        let lan = proxied_lan(&self.config, up.address);
        if lan == proxied_lan(before, up.address) {
            return vec![];
        }
        let changes =
            [HostChange::ClientDown { address: up.address }, HostChange::ClientUp { address: up.address, lan }];
        changes.into_iter().map(Output::Host).collect()
    }
}

impl Client {
    /// What can be changed while a session stands is changed: timers and log of L2TP, sizes of packets. What is
    /// negotiated stays until the next call.
    fn reconfigure(&mut self, cx: &mut Context<'_>) {
        self.take_l2tp_settings(cx);
        let Some(call) = &self.call else { return };
        let up = call.up.clone();
        self.tell_session(call.sessions, up.as_ref(), cx);
    }
}

/// An engine's pools for a configuration.
pub(super) fn pools(config: &Config) -> (Pool, Prefixes) {
    let (ranges, own, fixed) = pool_parts(config);
    let (prefix, own6, fixed6) = prefix_parts(config);
    (Pool::new(&ranges, &own, &fixed), Prefixes::new(prefix, &own6, &fixed6))
}
