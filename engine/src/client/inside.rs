//! A client's doings inside its link: IPv6, and what it asks the server as if it were on a LAN.

use super::{Call, Client, Context, covers, lease, name_servers};
use crate::event::Event;
use crate::inside::router::{self, Router};
use crate::inside::{Pace, dhcpinform};
use crate::lease::{Identity, Lease};
use crate::outbox::{HostChange, Output};
use crate::path::{Ipv6Path, Update};
use crate::ppp;
use crate::time::{Instant, earliest};
use command::{Config, DnsSource, Pp};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Networks that a client is told at most.
const MOST_NETWORKS: usize = 32;
/// Octets by which the headers of IPv6 and TCP are longer than those of IPv4 and TCP.
const LONGER_THAN_IPV4: u16 = 20;
/// The least MTU of IPv6, in octets (RFC 8200 §5).
const LEAST_IPV6_MTU: u16 = 1280;

/// What a call has inside its link, beyond its address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Inside {
    /// The IPv6 prefix that is lent to it.
    pub(crate) prefix: Option<Ipv6Addr>,
    /// IPv6, while IPV6CP is open.
    ipv6: Option<Box<(ppp::Ipv6Up, Router)>>,
    dhcp: Pace,
    /// Its address, where a LAN's DHCP server lends it.
    pub(super) lease: Option<Box<Lease>>,
}

impl Inside {
    /// By which name a LAN's DHCP server knows it.
    pub(crate) fn name_on_lan(&self) -> Option<Identity> {
        self.lease.as_ref().map(|lease| lease.identity)
    }
}

impl Default for Inside {
    fn default() -> Self {
        Self { prefix: None, ipv6: None, dhcp: Pace::new(Duration::from_secs(1), 5), lease: None }
    }
}

impl Inside {
    /// The prefix, while it is routed to the client.
    pub(crate) fn routed(&self) -> Option<Ipv6Addr> {
        self.prefix.filter(|_| self.ipv6.is_some())
    }

    /// The client's MRU as far as IPV6CP knows it, in octets.
    pub(super) fn mru(&self) -> Option<u16> {
        self.ipv6.as_ref().map(|ipv6| ipv6.0.peer_mru)
    }

    /// What the worker must know; `mss` is that of IPv4.
    pub(super) fn path(&self, mss: Option<u16>) -> Option<Ipv6Path> {
        let (up, _) = &**self.ipv6.as_ref()?;
        Some(Ipv6Path {
            prefix: self.prefix,
            our_identifier: up.our_identifier,
            mss: mss.map(|mss| mss.saturating_sub(LONGER_THAN_IPV4)),
        })
    }
}

impl Client {
    /// The client asked by DHCP.
    pub(crate) fn on_dhcp(&mut self, packet: &[u8], cx: &mut Context<'_>) {
        let client = self.client_id();
        let Some(call) = &mut self.call else { return };
        let Some(up) = &call.up else { return };
        if !call.inside.dhcp.take(cx.now) {
            return;
        }
        let facts = dhcp_facts(cx.config, up.address, up.our_address);
        if let Some(packet) = dhcpinform::answer(packet, &facts) {
            cx.path(Update::SealIp { client, packet });
        }
    }

    /// The client said something to the link that IPv6 has answers for.
    pub(crate) fn on_inside(&mut self, packet: &[u8], cx: &mut Context<'_>) {
        if let Some((_, router)) = self.call.as_mut().and_then(|call| call.inside.ipv6.as_deref_mut()) {
            router.handle_packet(packet, cx.now);
        }
    }

    /// IPV6CP has opened: a prefix is lent and routed, and the client is told of it.
    pub(super) fn ipv6_up(&mut self, up: ppp::Ipv6Up, cx: &mut Context<'_>) {
        let Some(pp) = self.pp(cx) else { return };
        let Some(call) = &mut self.call else { return };
        if call.inside.prefix.is_none() {
            lend_prefix(call, pp, cx);
        }
        let prefix = call.inside.prefix;
        let path = Ipv6Path { prefix, our_identifier: up.our_identifier, mss: None };
        let facts = router::Facts {
            our_identifier: up.our_identifier,
            link_local: path.our_link_local(),
            global: path.our_global(),
            prefix,
            mtu: up.peer_mru.min(pp.mtu).max(LEAST_IPV6_MTU),
            dns: ipv6_name_servers(cx.config),
            domain: cx.config.dns_domain.clone(),
        };
        call.inside.ipv6 = Some(Box::new((up, Router::start(facts, cx.rng, cx.now))));
        let event = Event::Ipv6cpUp {
            instance: call.instance,
            local: path.our_link_local(),
            remote: up.peer_identifier.map(crate::path::link_local),
            prefix,
        };
        cx.out.push(Output::Event(event));
        self.tell_session_again(cx);
        if let Some(prefix) = prefix {
            cx.out.push(Output::Host(HostChange::PrefixUp { prefix }));
        }
    }

    /// IPV6CP has closed; the prefix stays lent, should it open again.
    pub(super) fn ipv6_down(&mut self, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        let routed = call.inside.routed();
        call.inside.ipv6 = None;
        if let Some(prefix) = routed {
            cx.out.push(Output::Host(HostChange::PrefixDown { prefix }));
        }
        self.tell_session_again(cx);
    }

    fn tell_session_again(&self, cx: &mut Context<'_>) {
        if let Some(call) = &self.call {
            self.tell_session(call.sessions, call.up.as_ref(), cx);
        }
    }

    /// Moves what the router at our end has to say.
    pub(super) fn settle_inside(&mut self, cx: &mut Context<'_>) -> bool {
        let (client, can_send) = (self.client_id(), self.can_send());
        let mut moved = false;
        let router = self.call.as_mut().and_then(|call| call.inside.ipv6.as_deref_mut());
        let Some((_, router)) = router else { return false };
        while let Some(packet) = router.poll_output() {
            moved = true;
            // Between two SAs nothing can be sent; what matters is asked for again.
            if can_send {
                cx.path(Update::SealIp { client, packet });
            }
        }
        moved
    }

    pub(super) fn inside_due(&self) -> Option<Instant> {
        let ipv6 = self.call.as_ref().and_then(|call| call.inside.ipv6.as_ref()?.1.poll_timeout());
        earliest(ipv6, self.lease_due())
    }

    pub(super) fn on_inside_timer(&mut self, cx: &mut Context<'_>) {
        if let Some((_, router)) = self.call.as_mut().and_then(|call| call.inside.ipv6.as_deref_mut()) {
            router.handle_timeout(cx.rng, cx.now);
        }
        self.on_lease_timer(cx);
    }
}

/// The call is over: its prefix is given back, and its address to the LAN that has lent it.
pub(super) fn give_back(inside: &Inside, cx: &mut Context<'_>) {
    if let Some(lease) = &inside.lease {
        lease::release(lease, cx);
    }
    if let Some(prefix) = inside.routed() {
        cx.out.push(Output::Host(HostChange::PrefixDown { prefix }));
    }
    if let Some(prefix) = inside.prefix {
        cx.prefixes.give_back(prefix);
    }
}

fn lend_prefix(call: &mut Call, pp: &Pp, cx: &mut Context<'_>) {
    let user = call.user.as_deref().unwrap_or_default();
    let fixed = pp.users.iter().find(|u| u.name == user).and_then(|u| u.prefix);
    // Where no prefixes are configured, none is missed.
    if fixed.is_none() && cx.prefixes.is_empty() {
        return;
    }
    call.inside.prefix = cx.prefixes.lend(user, fixed);
    if call.inside.prefix.is_none() {
        let e = Event::NoPrefix { instance: call.instance, user: user.to_owned() };
        cx.out.push(Output::Event(e));
    }
}

/// What a client is told by DHCP: the networks of all LANs lie behind us.
fn dhcp_facts(config: &Config, client: Ipv4Addr, server: Ipv4Addr) -> dhcpinform::Facts {
    let (mut dns, wins) = name_servers(config, server);
    if let Some(order) = &config.dns_notice_dhcp {
        dns = order
            .iter()
            .flat_map(|source| match source {
                DnsSource::None => Vec::new(),
                DnsSource::Me => vec![server],
                DnsSource::Server => config.dns_servers.clone(),
            })
            .collect();
    }
    let around = config.lans.values().find(|lan| covers(lan, client));
    let network = |(address, bits): (Ipv4Addr, u8)| {
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(bits))).unwrap_or(0);
        (Ipv4Addr::from(u32::from(address) & mask), bits)
    };
    dhcpinform::Facts {
        client,
        server,
        mask_bits: around.and_then(|lan| lan.address).map_or(32, |(_, bits)| bits),
        dns,
        wins,
        domain: config.dns_domain.clone(),
        networks: config.lans.values().filter_map(|lan| lan.address).map(network).take(MOST_NETWORKS).collect(),
    }
}

/// The name servers that a client is told by router advertisement and DHCPv6; ourselves only if that is written.
fn ipv6_name_servers(config: &Config) -> Vec<Ipv6Addr> {
    let Some(order) = &config.dns_notice_dhcpv6 else {
        return config.dns_servers6.clone();
    };
    let ours = config.lans.values().find_map(|lan| lan.address6).map(|(address, _)| address);
    order
        .iter()
        .flat_map(|source| match source {
            DnsSource::None => Vec::new(),
            DnsSource::Me => ours.into_iter().collect(),
            DnsSource::Server => config.dns_servers6.clone(),
        })
        .collect()
}
