//! What the configuration says of a peer, computed once for each configuration: which keys it may show, what phase 1 with
//! it is held to, and which tunnels are free for it. Ten thousand tunnels cost no message more than one.

use crate::ike::aggressive::Party;
use crate::ike::half_open::Policy;
use crate::ike::main_mode::own_identity;
use crate::ike::{Endpoint, Refusal, name};
use command::{Gateway, IkeLog, IkeName, IkeNameKind, L2tpTunnel, Remote};
use core::net::IpAddr;
use core::time::Duration;
use crypto::Secret;
use std::collections::{BTreeMap, BTreeSet};
use wire::isakmp::Identification;

/// Pre-shared keys that are tried on one client.
const MOST_KEYS: usize = 32;

/// A client's gateways: the first one of each class whose key it has shown, in the order of their tunnels.
pub(crate) type Group = Vec<u32>;

/// What makes gateways the same to a client: whom they are for, their key, and the name that it has to give.
type Likeness<'a> = (Option<IpAddr>, &'a [u8], Option<(&'a str, Option<u8>)>);

/// Gateways that no client can tell from one another.
struct Class {
    /// For this address only.
    only: Option<IpAddr>,
    key: Secret<Vec<u8>>,
    remote_name: Option<IkeName>,
    /// Our name, as the first one has it.
    local_name: Option<IkeName>,
    /// All of them, ascending by their tunnels.
    gateways: Vec<u32>,
    /// The lowest of their tunnels.
    first: u32,
    /// Those of them that nobody has, the lowest last. In one piece: those that come and go with clients would each keep a
    /// page of what clients leave.
    free: Vec<u32>,
}

impl Class {
    fn head(&self) -> u32 {
        self.gateways.first().copied().unwrap_or_default()
    }

    /// Where a tunnel is among the free ones, or belongs.
    fn place(&self, tunnel: u32) -> Result<usize, usize> {
        self.free.binary_search_by(|other| tunnel.cmp(other))
    }
}

/// What one address may show, or any that has no gateways of its own.
#[derive(Default)]
pub(crate) struct Reach {
    /// The different keys.
    pub(crate) keys: Vec<Secret<Vec<u8>>>,
    /// Who has each of them.
    groups: Vec<Group>,
    /// What alone is taken if all are strict, in the words of [`crate::ike::proposal::Phase1::words`].
    strict: BTreeSet<String>,
    nat_traversal: bool,
    force: bool,
    /// How long a phase 1 may live at most.
    life: Option<Duration>,
    /// How many tunnels.
    pub(crate) tunnels: usize,
    /// Whether one of them sends notifications (`ipsec ike send info`), and what is logged for any of them.
    pub(crate) is_told: bool,
    pub(crate) log: BTreeSet<IkeLog>,
    /// Whether all of them were strict so far.
    all_strict: bool,
}

impl Reach {
    /// What phase 1 is held to; `refused` are the words of `ipsec ike refuse`.
    pub(crate) fn policy<'a>(&'a self, refused: &'a BTreeSet<String>) -> Policy<'a> {
        Policy { refused, only: &self.strict, nat_traversal: self.nat_traversal, force: self.force, life: self.life }
    }

    /// The gateways with the key at this place.
    pub(crate) fn group(&self, key: usize) -> Group {
        self.groups.get(key).cloned().unwrap_or_default()
    }

    fn add(&mut self, t: &L2tpTunnel) {
        let g = &t.gateway;
        self.all_strict = g.strict && (self.tunnels == 0 || self.all_strict);
        if self.all_strict {
            self.strict.insert(strict_words(g));
        } else {
            self.strict.clear();
        }
        self.nat_traversal |= g.nat_traversal;
        self.force |= g.force_encapsulation;
        self.is_told |= g.send_info;
        self.log.extend(&g.log);
        let life = g.isakmp_lifetime_s.map(|s| Duration::from_secs(s.into()));
        self.life = self.life.into_iter().chain(life).min();
        self.tunnels += 1;
    }

    fn add_class(&mut self, class: &Class) {
        if let Some(at) = self.keys.iter().position(|k| k.expose() == class.key.expose()) {
            self.groups.iter_mut().skip(at).take(1).for_each(|group| group.push(class.head()));
        } else if self.keys.len() < MOST_KEYS {
            self.keys.push(Secret::new(class.key.expose().clone()));
            self.groups.push(vec![class.head()]);
        }
    }
}

/// All gateways that serve somebody.
#[derive(Default)]
pub(crate) struct Gateways {
    /// In the order of their first tunnels.
    classes: Vec<Class>,
    /// The class of a gateway.
    class_of: BTreeMap<u32, usize>,
    of: BTreeMap<IpAddr, Reach>,
    any: Reach,
    /// The shortest interval of L2TP's keepalive.
    beat: Option<Duration>,
}

impl Gateways {
    /// The gateways of these tunnels; `taken` are tunnels that clients have.
    pub(crate) fn new(tunnels: &BTreeMap<u32, L2tpTunnel>, taken: &BTreeMap<u32, u32>) -> Self {
        let mut all = Self::default();
        let mut known: BTreeMap<Likeness<'_>, usize> = BTreeMap::new();
        for t in tunnels.values() {
            let g = &t.gateway;
            let only = match g.remote {
                Remote::Any => None,
                Remote::Address(address) => Some(address),
                Remote::Unset | Remote::Name(_) => continue,
            };
            let name = g.remote_name.as_ref().map(|n| (n.text.as_str(), n.kind.map(number_of)));
            let at = *known.entry((only, g.key.as_slice(), name)).or_insert_with(|| {
                all.classes.push(Class {
                    only,
                    key: Secret::new(g.key.to_vec()),
                    remote_name: g.remote_name.as_deref().cloned(),
                    local_name: g.local_name.as_deref().cloned(),
                    gateways: vec![],
                    first: t.number,
                    free: vec![],
                });
                all.classes.len() - 1
            });
            if let Some(class) = all.classes.get_mut(at) {
                if all.class_of.insert(g.id, at).is_none() {
                    class.gateways.push(g.id);
                }
                if !taken.contains_key(&t.number) {
                    class.free.push(t.number);
                }
            }
            match only {
                Some(address) => all.of.entry(address).or_default().add(t),
                None => all.any.add(t),
            }
            let beat = t.settings.l2tp.keepalive.map(|(interval, _)| Duration::from_secs(interval.into()));
            all.beat = all.beat.into_iter().chain(beat).min();
        }
        for class in &mut all.classes {
            class.free.reverse();
        }
        for class in &all.classes {
            match class.only.map(|address| all.of.get_mut(&address)) {
                Some(reach) => reach.into_iter().for_each(|reach| reach.add_class(class)),
                None => all.any.add_class(class),
            }
        }
        all
    }

    /// What is said of an address: by gateways that name it, else by those for any (yamaha.md §4.0, step 1).
    pub(crate) fn reach(&self, peer: IpAddr) -> &Reach {
        self.of.get(&peer).unwrap_or(&self.any)
    }

    /// The shortest interval of L2TP's keepalive: nobody is silent who was heard within it.
    pub(crate) fn beat(&self) -> Option<Duration> {
        self.beat
    }

    fn classes<'a>(&'a self, group: &'a [u32]) -> impl Iterator<Item = &'a Class> {
        group.iter().filter_map(|gateway| self.classes.get(*self.class_of.get(gateway)?))
    }

    /// The lowest tunnel of a group.
    pub(crate) fn first(&self, group: &[u32]) -> Option<u32> {
        self.classes(group).map(|class| class.first).min()
    }

    /// The lowest tunnel of a group that nobody has.
    pub(crate) fn free(&self, group: &[u32]) -> Option<u32> {
        self.classes(group).filter_map(|class| class.free.last().copied()).min()
    }

    /// Whether a gateway is one of a group's.
    pub(crate) fn has(&self, group: &[u32], gateway: u32) -> bool {
        let class = |gateway: &u32| self.class_of.get(gateway);
        class(&gateway).is_some_and(|wanted| group.iter().any(|g| class(g) == Some(wanted)))
    }

    /// Somebody has a tunnel of this gateway.
    pub(crate) fn take(&mut self, gateway: u32, tunnel: u32) {
        if let Some(class) = self.class_of.get(&gateway).and_then(|at| self.classes.get_mut(*at))
            && let Ok(at) = class.place(tunnel)
        {
            class.free.remove(at);
        }
    }

    /// Nobody has it any more.
    pub(crate) fn give_back(&mut self, gateway: u32, tunnel: u32) {
        if let Some(class) = self.class_of.get(&gateway).and_then(|at| self.classes.get_mut(*at))
            && let Err(at) = class.place(tunnel)
        {
            class.free.insert(at, tunnel);
        }
    }

    /// What a group's gateways are here that were in `before`, or whichever gateways these are.
    pub(crate) fn carried_over(&self, group: &[u32], before: Option<&Self>) -> Group {
        let all: Vec<u32> = match before {
            Some(before) => before.classes(group).flat_map(|class| class.gateways.iter().copied()).collect(),
            None => group.to_vec(),
        };
        let classes: BTreeSet<usize> = all.iter().filter_map(|gateway| self.class_of.get(gateway).copied()).collect();
        classes.iter().filter_map(|at| self.classes.get(*at)).map(Class::head).collect()
    }

    /// The gateways that go by the name that a client has given in Aggressive Mode, those of exact address first, and the
    /// key of the first of them.
    pub(crate) fn party(&self, identity: &Identification, endpoint: Endpoint) -> Result<Party, Refusal> {
        let peer = endpoint.peer.ip();
        let reached = |class: &&Class| class.only.is_none_or(|only| only == peer);
        let mut fitting: Vec<&Class> =
            self.classes.iter().filter(|class| class.remote_name.is_some()).filter(reached).collect();
        if fitting.is_empty() {
            return Err(Refusal::Aggressive { name: name::told(identity) });
        }
        fitting.retain(|class| class.remote_name.as_ref().is_some_and(|n| name::bears(identity, n)));
        fitting.sort_by_key(|class| class.only.is_none());
        let Some(first) = fitting.first() else {
            return Err(Refusal::UnknownName { name: name::told(identity) });
        };
        let own = first.local_name.as_ref().map_or_else(|| own_identity(endpoint.local.ip()), name::identity);
        let same = fitting.iter().filter(|class| class.key.expose() == first.key.expose());
        let gateways = same.map(|class| class.head()).collect();
        Ok(Party { gateways, key: Secret::new(first.key.expose().clone()), own })
    }
}

fn number_of(kind: IkeNameKind) -> u8 {
    match kind {
        IkeNameKind::Ipv4Addr => 1,
        IkeNameKind::Fqdn => 2,
        IkeNameKind::UserFqdn => 3,
        IkeNameKind::Ipv6Addr => 5,
        IkeNameKind::KeyId => 11,
    }
}

/// Phase 1 as `ipsec ike encryption`, `hash` and `group` say, in the words of [`crate::ike::proposal::Phase1::words`].
fn strict_words(g: &Gateway) -> String {
    use command::{IkeEncryption, IkeGroup, IkeHash};
    let encryption = match g.encryption {
        IkeEncryption::TripleDes => "3des-cbc",
        IkeEncryption::Des => "des-cbc",
        IkeEncryption::Aes128 => "aes-cbc",
        IkeEncryption::Aes256 => "aes256-cbc",
    };
    let hash = match g.hash {
        IkeHash::Md5 => "md5",
        IkeHash::Sha => "sha",
        IkeHash::Sha256 => "sha256",
        IkeHash::Sha384 => "sha384",
        IkeHash::Sha512 => "sha512",
    };
    let group = match g.group.0 {
        IkeGroup::Modp768 => "modp768",
        IkeGroup::Modp1024 => "modp1024",
        IkeGroup::Modp1536 => "modp1536",
        IkeGroup::Modp2048 => "modp2048",
    };
    format!("{encryption} {hash} {group}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

    use super::*;

    /// Tunnels 1 to 4 from a template, tunnel 5 with another key, tunnel 6 for one address, tunnel 7 with a name.
    const LINES: &str = "ip lan1 address 192.168.100.1/24\npp select anonymous\n pp bind tunnel1-tunnel7\n \
        pp auth request mschap-v2\n pp auth username taro taros-Passw0rd\n ppp ipcp ipaddress on\n \
        ip pp remote address pool 192.168.100.100-192.168.100.199\n pp enable anonymous\n";

    fn tunnels(last: u32) -> BTreeMap<u32, L2tpTunnel> {
        let mut text = LINES.to_owned();
        for n in 1..=last {
            let (key, remote) = match n {
                5 => ("other", "any"),
                6 => ("one", "203.0.113.5"),
                _ => ("one", "any"),
            };
            text += &format!(
                "tunnel select {n}\n tunnel encapsulation l2tp\n ipsec tunnel {n}\n  ipsec sa policy {n} {n} esp aes-cbc \
                 sha-hmac\n  ipsec ike pre-shared-key {n} text {key}\n  ipsec ike remote address {n} {remote}\n"
            );
            if n == 7 {
                text += "  ipsec ike remote name 7 branch\n";
            }
            text +=
                &format!(" l2tp keepalive use on {} 3\n tunnel enable {n}\nipsec transport {n} {n} udp 1701\n", 10 * n);
        }
        let (config, _) = command::parse(&(text + "l2tp service on\n"));
        config.l2tp_tunnels().into_iter().map(|t| (t.number, t)).collect()
    }

    fn at(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    fn keys(reach: &Reach) -> Vec<(Vec<u8>, Group)> {
        reach.keys.iter().zip(&reach.groups).map(|(key, group)| (key.expose().clone(), group.clone())).collect()
    }

    #[test]
    fn an_address_that_a_gateway_names_has_that_gateway_alone_and_others_have_those_for_any() {
        let all = Gateways::new(&tunnels(7), &BTreeMap::new());
        assert_eq!(keys(all.reach(at(5))), [(b"one".to_vec(), vec![6])]);
        assert_eq!(all.reach(at(5)).tunnels, 1);
        assert_eq!(keys(all.reach(at(9))), [(b"one".to_vec(), vec![1, 7]), (b"other".to_vec(), vec![5])]);
        assert_eq!((all.reach(at(9)).tunnels, all.beat()), (6, Some(Duration::from_secs(10))));
    }

    #[test]
    fn the_lowest_free_tunnel_of_a_group_is_given_and_comes_back() {
        let taken = BTreeMap::from([(1, 100), (2, 101)]);
        let mut all = Gateways::new(&tunnels(7), &taken);
        let group = all.reach(at(9)).group(0);
        assert_eq!((all.first(&group), all.free(&group)), (Some(1), Some(3)));
        [3, 4].into_iter().for_each(|n| all.take(n, n));
        assert_eq!(all.free(&group), Some(7), "neither the other key's nor the one address's");
        all.take(7, 7);
        assert_eq!(all.free(&group), None);
        all.give_back(2, 2);
        assert_eq!(all.free(&group), Some(2));
        assert!(all.has(&group, 4) && all.has(&group, 7) && !all.has(&group, 5) && !all.has(&group, 6));
    }

    #[test]
    fn one_more_tunnel_makes_nobody_another_client() {
        let (before, after) =
            (Gateways::new(&tunnels(3), &BTreeMap::new()), Gateways::new(&tunnels(4), &BTreeMap::new()));
        let group = before.reach(at(9)).group(0);
        let carried = after.carried_over(&group, Some(&before));
        assert_eq!(carried, after.reach(at(9)).group(0));
        assert_eq!(after.first(&carried), Some(1));
        let mut fewer = tunnels(4);
        fewer.retain(|n, _| *n >= 3);
        let fewer = Gateways::new(&fewer, &BTreeMap::new());
        assert_eq!(fewer.carried_over(&group, Some(&before)), [3], "the first ones are gone, the third is left");
        assert!(Gateways::default().carried_over(&group, Some(&before)).is_empty());
        // As records of former versions say it.
        assert_eq!(after.carried_over(&[1, 2, 3], None), [1]);
    }
}
