//! What an operator is shown: the engine's state as screens, which are told in words or as JSON elsewhere.

mod words;

use crate::carrier::{Carrier, Companion};
use crate::client::Client;
use crate::engine::Engine;
use crate::event::Instance;
use crate::path::Counters;
use crate::time::Instant;
use command::{Config, Language, PpRef, Request, Scope, Text, Tunnels};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use serde::Serialize;
use std::collections::BTreeMap;

pub use words::{Look, lasting};

/// The engine's answer to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// What was asked for.
    Screen(Screen),
    /// What was done.
    Done(Text),
    /// Why it was not done.
    Refused(Text),
}

/// What is shown. Times are in seconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Screen {
    /// `show status l2tp`.
    L2tp(Vec<L2tpShown>),
    /// `show status pp`.
    Pp(Vec<PpShown>),
    /// `show status tunnel`.
    Tunnels(Vec<TunnelShown>),
    /// `show ipsec sa`.
    Sas(Vec<SaShown>),
    /// `show ipsec sa gateway`.
    Gateways(Vec<GatewayShown>),
    /// `show ipsec sa gateway … detail`.
    SaDetails(Vec<SaShown>),
    /// `show account`.
    Account(Vec<AccountShown>),
    /// `show pp connect time`.
    ConnectTime(Vec<TimeShown>),
    /// The screen of a room of its own, as that room words it.
    Apart(String),
}

/// Packets and octets, from the client and to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Traffic {
    /// Packets from the client.
    pub received_packets: u64,
    /// Octets from the client.
    pub received_octets: u64,
    /// Packets to the client.
    pub sent_packets: u64,
    /// Octets to the client.
    pub sent_octets: u64,
    /// Of those from the client: packets of IPv6, and their octets.
    pub received_ipv6: (u64, u64),
    /// Of those to the client: packets of IPv6, and their octets.
    pub sent_ipv6: (u64, u64),
}

impl From<Counters> for Traffic {
    fn from(c: Counters) -> Self {
        Self {
            received_packets: c.in_packets,
            received_octets: c.in_octets,
            sent_packets: c.out_packets,
            sent_octets: c.out_octets,
            received_ipv6: (c.in6_packets, c.in6_octets),
            sent_ipv6: (c.out6_packets, c.out6_octets),
        }
    }
}

/// A tunnel of L2TP and its sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields of yamaha.md §5.1 by their names there")]
pub struct L2tpShown {
    pub tunnel: u32,
    pub state: &'static str,
    pub local_tunnel_id: u16,
    pub remote_tunnel_id: u16,
    pub local_address: IpAddr,
    pub remote_address: IpAddr,
    pub remote_port: u16,
    pub vendor: String,
    pub hostname: String,
    pub ns: u16,
    pub nr: u16,
    pub sessions: Vec<SessionShown>,
}

/// A session of L2TP.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields of yamaha.md §5.1 by their names there")]
pub struct SessionShown {
    pub interface: String,
    #[serde(skip)]
    pub instance: Instance,
    pub state: &'static str,
    pub local_session_id: u16,
    pub remote_session_id: u16,
    pub connected_s: u64,
    pub traffic: Traffic,
}

/// Who is on at an interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields of yamaha.md §5.2 by their names there")]
pub struct PpShown {
    pub interface: String,
    pub description: String,
    /// None where nobody is connected.
    pub call: Option<CallShown>,
}

/// A call of PPP.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields of yamaha.md §5.2 by their names there")]
pub struct CallShown {
    pub up: bool,
    pub user: Option<String>,
    pub outside_address: SocketAddr,
    pub connected_s: u64,
    pub traffic: Traffic,
    pub local_address: Option<Ipv4Addr>,
    pub remote_address: Option<Ipv4Addr>,
    pub remote_mru: Option<u16>,
    pub dns: Vec<Ipv4Addr>,
    pub carried_by: &'static str,
    pub options: Vec<String>,
}

/// The state of a tunnel interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields of yamaha.md §5.3 by their names there")]
pub struct TunnelShown {
    pub tunnel: u32,
    pub description: String,
    pub kind: String,
    pub online: bool,
    pub connected_s: u64,
    pub traffic: Option<Traffic>,
}

/// An SA.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields of yamaha.md §5.4 by their names there")]
pub struct SaShown {
    pub sa: usize,
    pub gateway: u32,
    /// The number of the ISAKMP SA that it belongs to; none for one itself.
    pub isakmp: Option<usize>,
    pub tunnel: u32,
    pub direction: Option<&'static str>,
    pub life_s: u64,
    pub local: IpAddr,
    pub remote: IpAddr,
    pub algorithm: String,
    pub spi: String,
    #[serde(skip)]
    pub(crate) owner: Owner,
}

/// Whose an SA is: the client, and its ISAKMP SA or the inbound SPI of its pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    pub(crate) client: u32,
    pub(crate) pair: Option<u32>,
    pub(crate) cookies: Option<crate::ike::keys::Cookies>,
}

/// A security gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields of yamaha.md §5.4 by their names there")]
pub struct GatewayShown {
    pub gateway: u32,
    pub up: bool,
    pub keepalive: bool,
    pub local: Option<IpAddr>,
    pub remote: String,
    pub isakmp: usize,
    pub send: usize,
    pub receive: usize,
}

/// How many calls an interface had.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "named by what they hold")]
pub struct AccountShown {
    pub interface: String,
    pub calls_in: u64,
    pub connected_s: u64,
}

/// How long a call has lasted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "named by what they hold")]
pub struct TimeShown {
    pub interface: String,
    pub user: Option<String>,
    pub connected_s: u64,
}

/// Calls of one interface since the start or `clear account`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Account {
    /// How many have come in.
    pub(crate) calls: u64,
    /// How long those that are over lasted together, in seconds.
    pub(crate) seconds: u64,
}

/// The calls of all interfaces.
pub(crate) type Accounts = BTreeMap<PpRef, Account>;

/// The calls of tunnels that any have come through, ascending: in one piece, since what lay beside the first call of each
/// would keep a page of what clients leave.
#[derive(Default)]
pub(crate) struct TunnelAccounts(Vec<(u32, Account)>);

impl TunnelAccounts {
    /// That of a tunnel.
    pub(crate) fn of(&self, tunnel: u32) -> Account {
        let found = self.place(tunnel).ok().and_then(|at| self.0.get(at));
        found.map(|(_, account)| *account).unwrap_or_default()
    }

    /// Changes that of a tunnel.
    pub(crate) fn change(&mut self, tunnel: u32, change: impl FnOnce(&mut Account)) {
        let at = self.place(tunnel).unwrap_or_else(|at| {
            self.0.insert(at, (tunnel, Account::default()));
            at
        });
        if let Some((_, account)) = self.0.get_mut(at) {
            change(account);
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn place(&self, tunnel: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&tunnel, |(number, _)| *number)
    }
}

/// The interface of an instance.
pub(crate) fn interface(instance: Instance) -> PpRef {
    match instance {
        Instance::Anonymous(_) => PpRef::Anonymous,
        Instance::Numbered(n) => PpRef::Number(n),
    }
}

/// The answer to a request that shows something; none if it does not.
pub(crate) fn show(engine: &Engine, request: Request, selected: Scope, now: Instant) -> Option<Screen> {
    let chosen = |which: Option<PpRef>| match (which, selected) {
        (Some(which), _) | (None, Scope::Pp(which)) => Some(which),
        (None, Scope::Global | Scope::Tunnel(_)) => None,
    };
    Some(match request {
        Request::ShowStatusL2tp(number) => Screen::L2tp(l2tp(engine, number, now)),
        Request::ShowStatusPp(which) => Screen::Pp(pp(engine, chosen(which), now)),
        Request::ShowStatusTunnel(which) => Screen::Tunnels(tunnels(engine, which, selected, now)),
        Request::ShowIpsecSa(only) => {
            let fits = |sa: &SaShown| only.is_none_or(|n| u32::try_from(sa.sa) == Ok(n));
            Screen::Sas(sas(engine, now).into_iter().filter(fits).collect())
        }
        Request::ShowIpsecSaGateway { gateway, detail: false } => Screen::Gateways(gateways(engine, gateway)),
        Request::ShowIpsecSaGateway { gateway, detail: true } => {
            Screen::SaDetails(sas(engine, now).into_iter().filter(|s| gateway.is_none_or(|g| g == s.gateway)).collect())
        }
        Request::ShowAccount(which) => Screen::Account(account(engine, chosen(which), now)),
        Request::ShowAccountTunnel(which) => Screen::Account(account_of_tunnels(engine, which, now)),
        Request::ShowStatusOf(word) => Screen::Apart(apart(engine, word, now)),
        Request::ShowPpConnectTime(which) => Screen::ConnectTime(times(engine, chosen(which), now)),
        _ => return None,
    })
}

/// A screen of a room that is not known here.
fn apart(engine: &Engine, word: &str, now: Instant) -> String {
    let call = |id: u32| call_lines(engine, id, now);
    let screen = engine.stations.iter().find_map(|station| station.show(word, &call));
    screen.unwrap_or_else(|| format!("nothing of the kind is served; write {word} service on\n"))
}

/// A client's call: where it ends, since when, and what has passed.
fn call_lines(engine: &Engine, client: u32, now: Instant) -> String {
    let Some(c) = engine.clients.get(&client) else { return String::new() };
    let Some(call) = &c.call else { return String::new() };
    let used = call.used(&c.traffic);
    let mut lines = vec![
        format!("PP Bind: {}", call.instance),
        format!("User: {}", call.user.as_deref().unwrap_or("(not yet known)")),
    ];
    lines.extend(c.carrier.companion().map(Companion::options).unwrap_or_default());
    lines.push(words::connection(now.since(call.since).as_secs(), Language::English));
    lines.push(format!("Received: {}", words::counters(used.in_packets, used.in_octets, Language::English)));
    lines.push(format!("Transmitted: {}", words::counters(used.out_packets, used.out_octets, Language::English)));
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

fn l2tp(engine: &Engine, number: Option<u32>, now: Instant) -> Vec<L2tpShown> {
    let wanted = |c: &&Client| number.is_none_or(|n| c.tunnel == Some(n));
    engine.clients.values().map(|c| &**c).filter(wanted).filter_map(|c| l2tp_of(engine, c, now)).collect()
}

/// A client and those with further sessions in its tunnel.
fn of_one_tunnel<'a>(engine: &'a Engine, c: &'a Client) -> impl Iterator<Item = &'a Client> {
    let further = c.further.iter().filter_map(|(_, id)| engine.clients.get(id));
    core::iter::once(c).chain(further.map(|further| &**further))
}

fn l2tp_of(engine: &Engine, c: &Client, now: Instant) -> Option<L2tpShown> {
    let t = c.l2tp.as_ref()?;
    let session = |c: &Client| {
        let call = c.call.as_ref()?;
        Some(SessionShown {
            interface: call.instance.to_string(),
            instance: call.instance,
            state: t.session_word(call.sessions.0),
            local_session_id: call.sessions.0,
            remote_session_id: call.sessions.1,
            connected_s: now.since(call.since).as_secs(),
            traffic: call.used(&c.traffic).into(),
        })
    };
    Some(L2tpShown {
        tunnel: c.tunnel.unwrap_or(0),
        state: t.state_word(),
        local_tunnel_id: t.local_id(),
        remote_tunnel_id: t.peer_id(),
        local_address: c.endpoint.local.ip(),
        remote_address: c.endpoint.peer.ip(),
        remote_port: t.peer_port(),
        vendor: t.peer_vendor().to_owned(),
        hostname: t.peer_hostname().to_owned(),
        ns: t.ns(),
        nr: t.nr(),
        sessions: of_one_tunnel(engine, c).filter_map(session).collect(),
    })
}

fn description(config: &Config, which: PpRef) -> String {
    config.pp(which).and_then(|pp| pp.description.clone()).unwrap_or_default()
}

/// Every call that stands, by its interface; one interface only where it is named. A named one without a call is shown as
/// such.
fn pp(engine: &Engine, which: Option<PpRef>, now: Instant) -> Vec<PpShown> {
    let calls: Vec<PpShown> = engine
        .instances
        .iter()
        .filter(|(instance, _)| which.is_none_or(|which| which == interface(**instance)))
        .filter_map(|(instance, id)| {
            let c = engine.clients.get(id)?;
            let call = c.call.as_ref()?;
            Some(PpShown {
                interface: instance.to_string(),
                description: description(&engine.config, interface(*instance)),
                call: Some(CallShown {
                    up: call.up.is_some(),
                    user: call.user.clone(),
                    outside_address: c.endpoint.peer,
                    connected_s: now.since(call.since).as_secs(),
                    traffic: call.used(&c.traffic).into(),
                    local_address: call.up.as_ref().map(|up| up.our_address),
                    remote_address: call.up.as_ref().map(|up| up.address),
                    remote_mru: call.up.as_ref().map(|up| up.peer_mru),
                    dns: call.up.as_ref().map(|up| up.dns.clone()).unwrap_or_default(),
                    carried_by: c.carrier.get().map_or("L2TP", Carrier::name),
                    options: c.carrier.companion().map(Companion::options).unwrap_or_default(),
                }),
            })
        })
        .collect();
    if !calls.is_empty() {
        return calls;
    }
    let which = which.unwrap_or(PpRef::Anonymous);
    vec![PpShown { interface: name(which), description: description(&engine.config, which), call: None }]
}

fn tunnels(engine: &Engine, which: Tunnels, selected: Scope, now: Instant) -> Vec<TunnelShown> {
    let number = match (&which, selected) {
        (Tunnels::Number(n), _) => Some(*n),
        (Tunnels::Selected, Scope::Tunnel(n)) => Some(n),
        (Tunnels::Selected | Tunnels::Up | Tunnels::Down | Tunnels::Named(_), _) => None,
    };
    let mut clients: BTreeMap<u32, &Client> = BTreeMap::new();
    for c in engine.clients.values().filter(|c| !c.pairs.is_empty()) {
        clients.extend(c.tunnel.map(|n| (n, &**c)));
    }
    let all = engine.config.tunnels.iter().filter(|(n, _)| number.is_none_or(|wanted| wanted == **n));
    all.map(|(n, tunnel)| {
        let client = clients.get(n);
        let born = client
            .and_then(|c| c.call.as_ref().map(|call| call.since).or_else(|| c.pairs.iter().map(|p| p.born).min()));
        TunnelShown {
            tunnel: *n,
            description: tunnel.description.clone().unwrap_or_default(),
            kind: match tunnel.encapsulation {
                command::Encapsulation::L2tp => "L2TP/IPsec".to_owned(),
                command::Encapsulation::Ipsec => "IPsec".to_owned(),
                command::Encapsulation::Other(word) => word.to_uppercase(),
            },
            online: client.is_some(),
            connected_s: born.map_or(0, |born| now.since(born).as_secs()),
            traffic: client.map(|c| {
                let mut all = Counters::default();
                of_one_tunnel(engine, c).for_each(|c| all.add(&c.traffic));
                all.into()
            }),
        }
    })
    .filter(|shown| match &which {
        Tunnels::Named(name) => shown.description == *name,
        Tunnels::Up => shown.online,
        Tunnels::Down => !shown.online,
        Tunnels::Selected | Tunnels::Number(_) => true,
    })
    .collect()
}

/// Every SA, numbered as `ipsec sa delete` takes the numbers.
pub(crate) fn sas(engine: &Engine, now: Instant) -> Vec<SaShown> {
    let mut all = vec![];
    for c in engine.clients.values() {
        let mut isakmp = None;
        let shown = |sa: usize| SaShown {
            sa,
            gateway: c.gateways.first().copied().unwrap_or(0),
            isakmp: None,
            tunnel: c.tunnel.unwrap_or(0),
            direction: None,
            life_s: 0,
            local: c.endpoint.local.ip(),
            remote: c.endpoint.peer.ip(),
            algorithm: String::new(),
            spi: String::new(),
            owner: Owner { client: c.id, pair: None, cookies: None },
        };
        for sa in &c.ikes {
            let number = all.len() + 1;
            isakmp = Some(number);
            let cookies = sa.cookies();
            all.push(SaShown {
                life_s: sa.life_left(now).as_secs(),
                algorithm: sa.algorithms(),
                spi: hex(&[cookies.initiator, cookies.responder].concat()),
                owner: Owner { cookies: Some(cookies), ..shown(number).owner },
                ..shown(number)
            });
        }
        for p in &c.pairs {
            for (direction, spi) in [("send", p.outbound), ("receive", p.inbound)] {
                let number = all.len() + 1;
                all.push(SaShown {
                    isakmp,
                    direction: Some(direction),
                    life_s: p.life_left(now).as_secs(),
                    algorithm: p.terms.words.clone(),
                    spi: hex(&spi.to_be_bytes()),
                    owner: Owner { pair: Some(p.inbound), ..shown(number).owner },
                    ..shown(number)
                });
            }
        }
    }
    all
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" ")
}

/// Gateways that are in the configuration, one line for each client of one, and one for one without clients.
fn gateways(engine: &Engine, only: Option<u32>) -> Vec<GatewayShown> {
    let mut all = vec![];
    for (id, gateway) in engine.config.gateways.iter().filter(|(id, _)| only.is_none_or(|only| only == **id)) {
        let idle = GatewayShown {
            gateway: *id,
            up: false,
            keepalive: gateway.dpd.is_some(),
            local: None,
            remote: match &gateway.remote {
                command::Remote::Unset => "-".to_owned(),
                command::Remote::Any => "any".to_owned(),
                command::Remote::Address(address) => address.to_string(),
                command::Remote::Name(name) => name.clone(),
            },
            isakmp: 0,
            send: 0,
            receive: 0,
        };
        let served = |c: &&Client| match c.tunnel.and_then(|n| engine.tunnels.get(&n)) {
            Some(tunnel) => tunnel.gateway.id == *id,
            None => c.gateways.first() == Some(id),
        };
        let mut clients = engine.clients.values().map(|c| &**c).filter(served).peekable();
        if clients.peek().is_none() {
            all.push(idle.clone());
        }
        all.extend(clients.map(|c| GatewayShown {
            up: !c.pairs.is_empty(),
            local: Some(c.endpoint.local.ip()),
            remote: c.endpoint.peer.ip().to_string(),
            isakmp: c.ikes.len(),
            send: c.pairs.len(),
            receive: c.pairs.len(),
            ..idle.clone()
        }));
    }
    all
}

fn account(engine: &Engine, which: Option<PpRef>, now: Instant) -> Vec<AccountShown> {
    let interfaces = engine.config.pps.keys().map(|n| PpRef::Number(*n)).chain([PpRef::Anonymous]);
    interfaces
        .filter(|interface| which.is_none_or(|which| which == *interface))
        .map(|which| {
            let account = engine.accounts.get(&which).copied().unwrap_or_default();
            let standing = engine.clients.values().filter_map(|c| c.call.as_ref());
            let standing = standing.filter(|call| interface(call.instance) == which);
            AccountShown {
                interface: name(which),
                calls_in: account.calls,
                connected_s: account.seconds + standing.map(|call| now.since(call.since).as_secs()).sum::<u64>(),
            }
        })
        .collect()
}

/// Tunnels that calls have come through, and the one that is named.
fn account_of_tunnels(engine: &Engine, which: Option<u32>, now: Instant) -> Vec<AccountShown> {
    let mut numbers: Vec<u32> = engine.tunnel_accounts.0.iter().map(|(number, _)| *number).chain(which).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let standing = |n: u32| {
        let calls = engine.clients.values().filter(move |c| c.tunnel == Some(n)).filter_map(|c| c.call.as_ref());
        calls.map(|call| now.since(call.since).as_secs()).sum::<u64>()
    };
    let shown = |n: u32| {
        let account = engine.tunnel_accounts.of(n);
        let connected_s = account.seconds + standing(n);
        AccountShown { interface: format!("TUNNEL[{n}]"), calls_in: account.calls, connected_s }
    };
    numbers.into_iter().filter(|n| which.is_none_or(|which| which == *n)).map(shown).collect()
}

fn name(which: PpRef) -> String {
    match which {
        PpRef::Anonymous => "PP[ANONYMOUS]".to_owned(),
        PpRef::Number(n) => Instance::Numbered(n).to_string(),
    }
}

fn times(engine: &Engine, which: Option<PpRef>, now: Instant) -> Vec<TimeShown> {
    engine
        .instances
        .iter()
        .filter(|(instance, _)| which.is_none_or(|which| which == interface(**instance)))
        .filter_map(|(instance, id)| {
            let call = engine.clients.get(id)?.call.as_ref()?;
            Some(TimeShown {
                interface: instance.to_string(),
                user: call.user.clone(),
                connected_s: now.since(call.since).as_secs(),
            })
        })
        .collect()
}
