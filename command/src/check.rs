//! What does not go together in a configuration whose lines are each right.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::config::{Config, DnsSource, Encapsulation, FilterList, Pp, PpRef, Remote, Tunnel};
use crate::problem::{Problem, Severity};
use crate::rows::FAMILIES;
use crate::rows::ipsec::{CIPHERS, GROUPS, HASHES};
use crate::script::Entry;
use crate::table::{Scope, Standing, number_of, table};
use crate::template;
use crate::text::Text;
use crate::value::Value;

mod finding;

use finding::Finding;

/// Everything that is wrong between lines; each problem names the line that is nearest to it.
pub(crate) fn all(config: &Config) -> Vec<Problem> {
    let open =
        config.transports.values().filter(|transport| transport.l2tp).map(|transport| transport.policy).collect();
    let mut check = Check { config, open, templates: BTreeMap::new(), problems: Vec::new() };
    check.templates();
    check.interface(PpRef::Anonymous, &config.anonymous);
    for (number, pp) in &config.pps {
        check.interface(PpRef::Number(*number), pp);
    }
    check.tunnels();
    check.service();
    check.refusals();
    check.filters();
    check.families();
    check.without_effect();
    check.problems
}

struct Check<'a> {
    config: &'a Config,
    /// Policies under which L2TP may travel in transport mode.
    open: BTreeSet<u32>,
    /// The template of each target.
    templates: BTreeMap<u32, u32>,
    problems: Vec<Problem>,
}

/// An interface's name in commands.
fn name(which: PpRef) -> String {
    match which {
        PpRef::Anonymous => "anonymous".to_owned(),
        PpRef::Number(number) => number.to_string(),
    }
}

/// Numbers as a list with ranges: `1, 3-8`.
fn list(numbers: &[u32]) -> String {
    numbers
        .chunk_by(|a, b| a + 1 == *b)
        .filter_map(|run| match run {
            [] => None,
            [one] => Some(one.to_string()),
            [first, .., last] => Some(format!("{first}-{last}")),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// `tunnel 3` or `tunnels 3-8`, with the verb that agrees.
fn tunnels(numbers: &[u32], one: &str, several: &str) -> String {
    match numbers {
        [number] => format!("tunnel {number} {one}"),
        _ => format!("tunnels {} {several}", list(numbers)),
    }
}

impl Check<'_> {
    fn entry(&self, scope: Scope, words: &str) -> Option<&Entry> {
        self.config.script.one(scope, number_of(words))
    }

    /// The first of some lines that was written.
    fn first_of(&self, places: &[(Scope, &str)]) -> (usize, usize) {
        places
            .iter()
            .find_map(|(scope, words)| self.entry(*scope, words))
            .map_or((0, 1), |entry| (entry.line, entry.column))
    }

    /// The line of a tunnel that is nearest to some row: its own, or that of its template.
    fn of_tunnel(&self, number: u32, words: &str) -> (usize, usize) {
        let mut places = vec![(Scope::Tunnel(number), words), (Scope::Tunnel(number), "tunnel encapsulation")];
        if let Some(source) = self.templates.get(&number) {
            places.extend([(Scope::Tunnel(*source), words), (Scope::Tunnel(*source), "tunnel template")]);
        }
        places.push((Scope::Tunnel(number), "tunnel enable"));
        self.first_of(&places)
    }

    fn tell(&mut self, severity: Severity, (line, column): (usize, usize), word: &str, message: Text) {
        self.problems.push(Problem { line, column, word: word.to_owned(), message, severity });
    }

    /// What a family has found between its own lines.
    fn families(&mut self) {
        for found in FAMILIES.iter().flat_map(|family| (family.look)(self.config)) {
            let at = self.first_of(&[(found.scope, found.words)]);
            self.tell(found.severity, at, found.words, found.message);
        }
    }

    /// A template gives its `ipsec` lines only where their numbers equal its own.
    fn templates(&mut self) {
        for (source, targets) in template::tunnel_templates(&self.config.script) {
            for target in targets.iter().filter(|target| **target != source) {
                self.templates.entry(*target).or_insert(source);
            }
            let Some(tunnel) = self.config.tunnels.get(&source) else {
                continue;
            };
            let policy = tunnel.policy;
            let gateway = policy.and_then(|p| self.config.policies.get(&p)).map(|policy| policy.gateway);
            let wrong = [policy, gateway].into_iter().flatten().any(|number| number != source);
            if wrong {
                let at = self.of_tunnel(source, "tunnel template");
                let message = Text::new(
                    format!(
                        "tunnel template gives ipsec lines only where policy and gateway bear the tunnel's own number; renumber them to ipsec tunnel {source} and ipsec sa policy {source} {source}"
                    ),
                    format!(
                        "tunnel templateがipsecの行を展開するのは、ポリシーとゲートウェイの番号がトンネルの番号と同じときだけです。ipsec tunnel {source}、ipsec sa policy {source} {source}に直してください"
                    ),
                );
                self.tell(Severity::Error, at, &source.to_string(), message);
            }
        }
        let transports: BTreeSet<u32> = self.config.transports.keys().copied().collect();
        let mut lost = Vec::new();
        for (key, entry) in self.config.script.of_row(number_of("ipsec transport template")) {
            if let Some(Value::Number(id)) =
                key.2.first().filter(|id| !matches!(id, Value::Number(n) if transports.contains(n)))
            {
                lost.push((*id, entry.line, entry.column));
            }
        }
        for (id, line, column) in lost {
            let message = Text::new(
                format!(
                    "ipsec transport template copies ipsec transport {id}, which is not there; add ipsec transport {id} {id} udp 1701"
                ),
                format!(
                    "ipsec transport templateの元になるipsec transport {id}がありません。ipsec transport {id} {id} udp 1701を加えてください"
                ),
            );
            self.tell(Severity::Error, (line, column), &id.to_string(), message);
        }
    }

    fn interface(&mut self, which: PpRef, pp: &Pp) {
        let scope = Scope::Pp(which);
        let pp_name = name(which);
        if pp.bind.is_empty() {
            if pp.enabled && which == PpRef::Anonymous {
                let message = Text::new(
                    "no tunnel is bound to pp anonymous, so nobody can call; add pp bind tunnel1",
                    "pp anonymousにトンネルがバインドされていないため、誰も接続できません。pp bind tunnel1を加えてください",
                );
                self.tell(Severity::Warning, self.first_of(&[(scope, "pp enable")]), &pp_name, message);
            }
            return;
        }
        let bind = self.first_of(&[(scope, "pp bind")]);
        if !pp.enabled {
            let message = Text::new(
                format!("pp {pp_name} has tunnels but lets nobody in; add pp enable {pp_name}"),
                format!("pp {pp_name}にトンネルはありますが有効ではありません。pp enable {pp_name}を加えてください"),
            );
            self.tell(Severity::Warning, bind, &pp_name, message);
            return;
        }
        if let (PpRef::Number(_), true) = (which, pp.bind.len() > 1) {
            let message = Text::new(
                format!("only pp anonymous can have several tunnels; bind one tunnel to pp {pp_name}"),
                format!(
                    "複数のトンネルをバインドできるのはpp anonymousだけです。pp {pp_name}には1つだけバインドしてください"
                ),
            );
            self.tell(Severity::Error, bind, &pp_name, message);
        }
        self.callers(which, pp, bind);
        self.names(which, pp);
        self.addresses(which, pp);
    }

    fn callers(&mut self, which: PpRef, pp: &Pp, bind: (usize, usize)) {
        let scope = Scope::Pp(which);
        let pp_name = name(which);
        let enable = match self.first_of(&[(scope, "pp enable")]) {
            (0, _) => bind,
            at => at,
        };
        if pp.auth_request.is_none() {
            let message = Text::new(
                format!(
                    "pp {pp_name} asks callers for no password, which is an open door; add pp auth request mschap-v2 before pp enable"
                ),
                format!(
                    "pp {pp_name}はパスワードを求めないため誰でも入れます。pp enableの前にpp auth request mschap-v2を加えてください"
                ),
            );
            self.tell(Severity::Error, enable, &pp_name, message);
        }
        if pp.users.is_empty() {
            let message = Text::new(
                format!("pp {pp_name} knows no user, so nobody can log in; add pp auth username NAME PASSWORD"),
                format!(
                    "pp {pp_name}にユーザーがいないため誰も接続できません。pp auth username NAME PASSWORDを加えてください"
                ),
            );
            self.tell(Severity::Warning, enable, &pp_name, message);
        }
        if !pp.ipcp_ipaddress {
            let at = self.first_of(&[(scope, "ppp ipcp ipaddress"), (scope, "pp bind")]);
            let message = Text::new(
                "callers are not given an address, and phones and PCs then do not connect; write ppp ipcp ipaddress on",
                "接続者にアドレスが割り当てられず、スマートフォンやPCは接続できません。ppp ipcp ipaddress onと書いてください",
            );
            self.tell(Severity::Warning, at, "ppp ipcp ipaddress", message);
        }
        if !pp.ipcp_msext {
            let at = self.first_of(&[(scope, "ppp ipcp msext"), (scope, "pp bind")]);
            let message = Text::new(
                "callers are told no name server, and phones then find no host by name; write ppp ipcp msext on",
                "接続者にDNSサーバーが知らされず、名前でホストを見つけられません。ppp ipcp msext onと書いてください",
            );
            self.tell(Severity::Warning, at, "ppp ipcp msext", message);
        }
    }

    /// Name servers that callers are told.
    fn names(&mut self, which: PpRef, pp: &Pp) {
        if !pp.ipcp_msext {
            return;
        }
        let scope = Scope::Pp(which);
        let order = self
            .config
            .script
            .entries
            .get(&(Scope::Global, number_of("dns notice order"), vec![Value::Word("msext")]))
            .map(|entry| (entry.line, entry.column));
        let at = order.unwrap_or_else(|| self.first_of(&[(Scope::Global, "dns server"), (scope, "ppp ipcp msext")]));
        let sources = &self.config.dns_notice_msext;
        if sources.first() == Some(&DnsSource::Me) {
            let message = Text::new(
                "callers ask this host itself for names first, and it must run a resolver for that; otherwise write dns notice order msext server",
                "接続者はまずこのホストに名前を問い合わせるため、ホストでリゾルバーを動かす必要があります。そうでなければdns notice order msext serverと書いてください",
            );
            self.tell(Severity::Warning, at, "me", message);
        }
        if sources.contains(&DnsSource::Server) && self.config.dns_servers.is_empty() {
            let message = Text::new(
                "callers are told the servers of dns server, but there are none; add dns server ADDRESS",
                "dns serverのサーバーを知らせる設定ですが、1つもありません。dns server ADDRESSを加えてください",
            );
            self.tell(Severity::Warning, at, "server", message);
        }
    }

    /// Addresses that callers are given, against those of the LANs.
    fn addresses(&mut self, which: PpRef, pp: &Pp) {
        let scope = Scope::Pp(which);
        let (row, remedy) = match which {
            PpRef::Anonymous => ("ip pp remote address pool", "ip pp remote address pool FIRST-LAST"),
            PpRef::Number(_) => ("ip pp remote address", "ip pp remote address ADDRESS"),
        };
        let written = self.entry(scope, row).is_some();
        let everybody_has_one = !pp.users.is_empty() && pp.users.iter().all(|user| user.address.is_some());
        if !written && !everybody_has_one {
            let message = Text::new(
                format!("pp {} has no address to give to a caller; add {remedy}", name(which)),
                format!("pp {}には接続者に割り当てるアドレスがありません。{remedy}を加えてください", name(which)),
            );
            self.tell(Severity::Error, self.first_of(&[(scope, "pp bind")]), &name(which), message);
        }
        let at = self.first_of(&[(scope, row), (scope, "pp bind")]);
        if pp.from_scopes && self.config.dhcp_scopes.is_empty() {
            let message = Text::new(
                format!(
                    "{row} dhcp lends addresses of dhcp scope, but there is none; add dhcp scope 1 FIRST-LAST/MASK"
                ),
                format!(
                    "{row} dhcpはdhcp scopeのアドレスを割り当てますが、1つもありません。dhcp scope 1 FIRST-LAST/MASKを加えてください"
                ),
            );
            self.tell(Severity::Error, at, "dhcp", message);
        } else if pp.from_scopes {
            let message = Text::new(
                "addresses of dhcp scope are lent to callers by this server itself, so the DHCP server of the LAN must not lend them to others",
                "dhcp scopeのアドレスは本サーバーが接続者に割り当てます。LANのDHCPサーバーが同じアドレスを割り当てないようにしてください",
            );
            self.tell(Severity::Warning, at, "dhcp", message);
        }
        if let Some(lan) = &pp.from_lan {
            self.asked_of(lan, at);
        }
        let mut ranges: Vec<(Ipv4Addr, Ipv4Addr, (usize, usize))> = Vec::new();
        if which == PpRef::Anonymous {
            ranges.extend(pp.pool.iter().map(|(first, last)| (*first, *last, at)));
            self.pool(pp, at);
        }
        ranges.extend(pp.remote_address.iter().map(|address| (*address, *address, at)));
        for user in &pp.users {
            let key = (scope, number_of("pp auth username"), vec![Value::Text(user.name.clone())]);
            let line = self.config.script.entries.get(&key).map_or(at, |entry| (entry.line, entry.column));
            ranges.extend(user.address.iter().map(|address| (*address, *address, line)));
        }
        for (first, last, at) in ranges {
            self.range(first, last, at);
        }
    }

    /// A LAN whose DHCP server is asked for addresses.
    fn asked_of(&mut self, lan: &str, at: (usize, usize)) {
        let known = self.config.lans.get(lan);
        if known.is_none_or(|lan| lan.address.is_none()) {
            let message = Text::new(
                format!(
                    "addresses are asked of the DHCP server of {lan}, but which interface that is follows from its address; add ip {lan} address ADDRESS/MASK, the one that this host has there"
                ),
                format!(
                    "{lan}のDHCPサーバーに問い合わせますが、インタフェースはアドレスで決まります。このホストのアドレスをip {lan} address アドレス/マスクで書いてください"
                ),
            );
            self.tell(Severity::Error, at, "dhcpc", message);
        } else if known.is_some_and(|lan| !lan.proxyarp) {
            let message = Text::new(
                format!(
                    "callers get addresses of the network of {lan}, whose hosts cannot answer them without ip {lan} proxyarp on"
                ),
                format!(
                    "接続者は{lan}のネットワークのアドレスを受け取りますが、ip {lan} proxyarp onがないとLANのホストは応答できません"
                ),
            );
            self.tell(Severity::Warning, at, "dhcpc", message);
        }
    }

    fn pool(&mut self, pp: &Pp, at: (usize, usize)) {
        let size: u64 = pp.pool.iter().map(|(first, last)| u64::from(u32::from(*last) - u32::from(*first)) + 1).sum();
        if size > 0 && size < pp.bind.len() as u64 {
            let message = Text::new(
                format!(
                    "the pool has {size} addresses for {} tunnels, so not all can be used at once; give a larger pool, or bind fewer tunnels",
                    pp.bind.len()
                ),
                format!(
                    "プールのアドレス{size}個に対してトンネルが{}個あり、同時に全部は使えません。プールを広げるか、バインドするトンネルを減らしてください",
                    pp.bind.len()
                ),
            );
            self.tell(Severity::Warning, at, "pool", message);
        }
        let mut sorted = pp.pool.clone();
        sorted.sort_unstable();
        if let Some([_, (first, _)]) =
            sorted.windows(2).find(|pair| matches!(pair, [(_, last), (first, _)] if first <= last))
        {
            let message = Text::new(
                format!("{first} stands in the pool twice; write each address once"),
                format!("{first}がプールに2回あります。1回だけ書いてください"),
            );
            self.tell(Severity::Warning, at, &first.to_string(), message);
        }
    }

    fn range(&mut self, first: Ipv4Addr, last: Ipv4Addr, at: (usize, usize)) {
        let shown = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let mut inside = false;
        for (lan, (address, bits)) in self.config.lans.iter().filter_map(|(lan, l)| l.address.map(|a| (lan.clone(), a)))
        {
            if (first..=last).contains(&address) {
                let message = Text::new(
                    format!("{address} is the address of {lan} and cannot be lent to a caller; take it out of {shown}"),
                    format!("{address}は{lan}のアドレスなので割り当てられません。{shown}から除いてください"),
                );
                self.tell(Severity::Error, at, &shown, message);
            }
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            let network = u32::from(address) & mask;
            let (low, high) = (Ipv4Addr::from(network), Ipv4Addr::from(network | !mask));
            if last < low || first > high {
                continue;
            }
            inside = true;
            if bits < 31 && ((first..=last).contains(&low) || (first..=last).contains(&high)) {
                let message = Text::new(
                    format!(
                        "{shown} holds the network's or broadcast address of {lan} ({low} or {high}), which no host can use; leave it out"
                    ),
                    format!(
                        "{shown}は{lan}のネットワークアドレスかブロードキャストアドレス({low}、{high})を含んでいます。ホストには使えないので除いてください"
                    ),
                );
                self.tell(Severity::Warning, at, &shown, message);
            }
            if self.config.lans.get(&lan).is_some_and(|l| !l.proxyarp) {
                let message = Text::new(
                    format!(
                        "{shown} lies in the network of {lan}, whose hosts cannot answer it without ip {lan} proxyarp on"
                    ),
                    format!(
                        "{shown}は{lan}のネットワークにあり、ip {lan} proxyarp onがないとLANのホストは応答できません"
                    ),
                );
                self.tell(Severity::Warning, at, &shown, message);
            }
        }
        if !inside {
            let message = Text::new(
                format!(
                    "{shown} lies in the network of no LAN of this file, so hosts behind need a route to it through this server; else take addresses of the LAN and ip lan1 proxyarp on"
                ),
                format!(
                    "{shown}はどのLANのネットワークにもないため、LANのホストには本サーバー経由の経路が必要です。そうでなければLANのアドレスとip lan1 proxyarp onを使ってください"
                ),
            );
            self.tell(Severity::Warning, at, &shown, message);
        }
    }

    fn tunnels(&mut self) {
        let config = self.config;
        let mut bound: BTreeMap<u32, Vec<PpRef>> = BTreeMap::new();
        let pps = config.pps.iter().map(|(number, pp)| (PpRef::Number(*number), pp));
        for (which, pp) in pps.chain([(PpRef::Anonymous, &config.anonymous)]) {
            for tunnel in &pp.bind {
                bound.entry(*tunnel).or_default().push(which);
            }
        }
        let mut groups: BTreeMap<Finding, Vec<u32>> = BTreeMap::new();
        for (number, owners) in &bound {
            if owners.len() > 1 {
                groups.entry(Finding::BoundTwice).or_default().push(*number);
            }
            let Some(tunnel) = config.tunnels.get(number) else {
                groups.entry(Finding::Undefined).or_default().push(*number);
                continue;
            };
            let serving = owners.iter().any(|which| config.pp(*which).is_some_and(|pp| pp.enabled));
            for finding in self.findings(*number, tunnel, serving) {
                groups.entry(finding).or_default().push(*number);
            }
        }
        for (number, tunnel) in &config.tunnels {
            if tunnel.encapsulation == Encapsulation::L2tp && tunnel.enabled && !bound.contains_key(number) {
                groups.entry(Finding::Unbound).or_default().push(*number);
            }
        }
        for (finding, numbers) in groups {
            self.report(finding, &numbers, &bound);
        }
        self.gateways();
    }

    /// What is wrong with a tunnel that is bound.
    fn findings(&self, number: u32, tunnel: &Tunnel, serving: bool) -> Vec<Finding> {
        match tunnel.encapsulation {
            Encapsulation::L2tp => {}
            Encapsulation::Ipsec => return vec![Finding::NotL2tp],
            Encapsulation::Other(_) => return Vec::new(),
        }
        if !tunnel.enabled {
            return vec![Finding::Disabled];
        }
        if !serving {
            return Vec::new();
        }
        let mut found = Vec::new();
        if tunnel.l2tp.disconnect_time_s == Some(60) && !self.is_written(number, "l2tp tunnel disconnect time") {
            found.push(Finding::ShortIdle);
        }
        let Some(id) = tunnel.policy else {
            // A template whose numbers are wrong has been told of already.
            if !self.templates.contains_key(&number) {
                found.push(Finding::NoPolicyNumber);
            }
            return found;
        };
        let Some(policy) = self.config.policies.get(&id) else {
            found.push(Finding::NoPolicy);
            return found;
        };
        if !policy.esp {
            found.push(Finding::Ah);
        }
        if !self.open.contains(&id) {
            found.push(Finding::NoTransport);
        }
        let gateway = self.config.gateways.get(&policy.gateway);
        if gateway.is_none_or(|gateway| gateway.key.is_empty()) {
            found.push(Finding::NoKey);
        }
        if gateway.is_none_or(|gateway| gateway.remote == Remote::Unset) {
            found.push(Finding::NoRemote);
        }
        if gateway.is_some_and(|gateway| !gateway.nat_traversal) {
            found.push(Finding::NoNatTraversal);
        }
        found
    }

    fn is_written(&self, number: u32, words: &str) -> bool {
        let source = self.templates.get(&number);
        self.entry(Scope::Tunnel(number), words).is_some()
            || source.is_some_and(|source| self.entry(Scope::Tunnel(*source), words).is_some())
    }

    fn report(&mut self, finding: Finding, numbers: &[u32], bound: &BTreeMap<u32, Vec<PpRef>>) {
        let number = numbers.first().copied().unwrap_or_default();
        let tunnel = self.config.tunnels.get(&number);
        let policy = tunnel.and_then(|t| t.policy).unwrap_or(number);
        let gateway = self.config.policies.get(&policy).map_or(number, |p| p.gateway);
        let owner = bound.get(&number).and_then(|owners| owners.first().copied()).unwrap_or(PpRef::Anonymous);
        let (one, several, remedy) = finding.words(number, policy, gateway, owner);
        let at = match finding {
            Finding::Undefined | Finding::BoundTwice => self.first_of(&[(Scope::Pp(owner), "pp bind")]),
            _ => self.of_tunnel(number, finding.nearest()),
        };
        let japanese = format!("トンネル{}{}", list(numbers), finding.japanese(number, policy, gateway, owner));
        let message = Text::new(format!("{}; {remedy}", tunnels(numbers, one, several)), japanese);
        self.tell(finding.severity(), at, &format!("tunnel {}", list(numbers)), message);
    }

    /// Gateways that several tunnels share, and keys that differ where they must not.
    fn gateways(&mut self) {
        let ready = self.config.l2tp_tunnels();
        let mut shared: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for tunnel in &ready {
            shared.entry(tunnel.gateway.id).or_default().push(tunnel.number);
        }
        for (gateway, numbers) in shared.into_iter().filter(|(_, numbers)| numbers.len() > 1) {
            let at = self.of_tunnel(numbers.last().copied().unwrap_or_default(), "ipsec tunnel");
            let message = Text::new(
                format!(
                    "tunnels {} share gateway {gateway}, so only one client at a time can use them; give each tunnel a policy and gateway of its own",
                    list(&numbers)
                ),
                format!(
                    "トンネル{}はゲートウェイ{gateway}を共有しているため、同時に使えるのは1台だけです。トンネルごとにポリシーとゲートウェイを設けてください",
                    list(&numbers)
                ),
            );
            self.tell(Severity::Warning, at, &gateway.to_string(), message);
        }
        self.names_of_gateways(&ready);
    }

    /// Aggressive Mode: what a name lets in, and at what price.
    fn names_of_gateways(&mut self, ready: &[crate::config::L2tpTunnel]) {
        let named: Vec<u32> = ready.iter().filter(|t| t.gateway.remote_name.is_some()).map(|t| t.gateway.id).collect();
        let Some(first) = named.first().copied() else { return };
        let key = (Scope::Global, number_of("ipsec ike remote name"), vec![Value::Number(first)]);
        let at = self.config.script.entries.get(&key).map_or((0, 1), |entry| (entry.line, entry.column));
        let gateways = list(&named);
        let message = Text::new(
            format!(
                "gateway {gateways} takes Aggressive Mode, in which anybody who knows the name, or listens, gets a hash with which keys can be tried offline: use a pre-shared key of 20 random characters or more, or no name"
            ),
            format!(
                "ゲートウェイ{gateways}はアグレッシブモードを受け付けます。名前を知る人や盗聴する人は鍵をオフラインで試せるので、事前共有鍵を20文字以上の乱数にするか、名前を消してください"
            ),
        );
        self.tell(Severity::Warning, at, "ipsec ike remote name", message);
    }

    fn service(&mut self) {
        let wanted = self
            .config
            .tunnels
            .iter()
            .find(|(_, t)| t.encapsulation == Encapsulation::L2tp && t.enabled)
            .map(|(n, _)| *n);
        let service = self.first_of(&[(Scope::Global, "l2tp service")]);
        match (wanted, self.config.l2tp_service) {
            (Some(tunnel), false) => {
                let at = if service.0 > 0 { service } else { self.of_tunnel(tunnel, "tunnel enable") };
                self.tell(
                    Severity::Warning,
                    at,
                    "l2tp service",
                    Text::new(
                        "L2TP is not served; write l2tp service on",
                        "L2TPを受け付けていません。l2tp service onと書いてください",
                    ),
                );
            }
            (None, true) => {
                let message = Text::new(
                    "L2TP is served but no tunnel of encapsulation l2tp is enabled; add tunnel select 1, tunnel encapsulation l2tp and tunnel enable 1",
                    "L2TPを受け付けますが、有効なl2tpのトンネルがありません。tunnel select 1、tunnel encapsulation l2tp、tunnel enable 1を加えてください",
                );
                self.tell(Severity::Warning, service, "l2tp service", message);
            }
            (None, false) if !self.config.tunnels.values().any(|tunnel| tunnel.enabled) => {
                let message = Text::new(
                    "no tunnel is enabled, so nobody can connect; add tunnel select 1, tunnel encapsulation l2tp and tunnel enable 1, or use sekisho quickstart, which needs no file",
                    "有効なトンネルがないため誰も接続できません。tunnel select 1、tunnel encapsulation l2tp、tunnel enable 1を加えるか、設定ファイルの要らないsekisho quickstartを使ってください",
                );
                self.tell(Severity::Warning, (0, 1), "tunnel enable", message);
            }
            (Some(_), true) | (None, false) => {}
        }
        if !self.config.ipsec_use {
            let at = self.first_of(&[(Scope::Global, "ipsec use")]);
            self.tell(
                Severity::Warning,
                at,
                "off",
                Text::new(
                    "IPsec is switched off, so nobody can connect; write ipsec use on",
                    "IPsecが止まっているため誰も接続できません。ipsec use onと書いてください",
                ),
            );
        }
    }

    fn refusals(&mut self) {
        for (kind, japanese, words) in
            [("cipher", "暗号", CIPHERS), ("hash", "ハッシュ", HASHES), ("group", "グループ", GROUPS)]
        {
            if words.iter().all(|word| self.config.refused.contains(*word)) {
                let row = number_of("ipsec ike refuse");
                let at = self.config.script.of_row(row).next().map_or((0, 1), |(_, entry)| (entry.line, entry.column));
                let last = words.last().unwrap_or(&"");
                let message = Text::new(
                    format!(
                        "every {kind} is refused, so no client can connect; take one out, such as no ipsec ike refuse {last}"
                    ),
                    format!(
                        "{japanese}をすべて拒否しているため、誰も接続できません。no ipsec ike refuse {last}のように1つ除いてください"
                    ),
                );
                self.tell(Severity::Error, at, "ipsec ike refuse", message);
            }
        }
    }

    /// Filters that interfaces name: those that are not there, and those that cannot do what they say.
    fn filters(&mut self) {
        let config = self.config;
        let pps = config.pps.iter().map(|(number, pp)| (Scope::Pp(PpRef::Number(*number)), &pp.secure));
        let tunnels = config.tunnels.iter();
        let tunnels = tunnels.filter_map(|(number, t)| Some((Scope::Tunnel(*number), t.secure.as_deref()?)));
        let all: Vec<_> = pps.chain([(Scope::Pp(PpRef::Anonymous), &config.anonymous.secure)]).chain(tunnels).collect();
        for (scope, secure) in all {
            let words = if matches!(scope, Scope::Pp(_)) { "ip pp secure filter" } else { "ip tunnel secure filter" };
            let at = |way: &'static str| {
                let key = (scope, number_of(words), vec![Value::Word(way)]);
                config.script.entries.get(&key).map_or((0, 1), |entry| (entry.line, entry.column))
            };
            if let Some(name) = secure.set.as_ref().filter(|name| !config.filter_sets.contains_key(*name)) {
                let message = Text::new(
                    format!("the set {name} is not there, so nothing would pass; add ip filter set {name} in F"),
                    format!("フィルタセット{name}がないため何も通りません。ip filter set {name} in Fを加えてください"),
                );
                self.tell(Severity::Error, at("name"), name, message);
                continue;
            }
            let (incoming, outgoing) = config.filter_lists(secure);
            for (way, list) in [("in", incoming), ("out", outgoing)] {
                let Some(list) = list else { continue };
                let at = if secure.set.is_some() { at("name") } else { at(way) };
                self.filter_list(words, way, at, &list);
            }
            let Scope::Pp(which) = scope else { continue };
            let filtered = config.filter_lists(secure) != (None, None);
            if filtered && config.pp(which).is_some_and(|pp| pp.prefix_pool.is_some()) {
                let message = Text::new(
                    "ip pp secure filter looks at IPv4 only, and callers get IPv6 as well; filter that on the host with nftables",
                    "ip pp secure filterが見るのはIPv4だけです。IPv6はホストのnftablesで遮断してください",
                );
                self.tell(Severity::Warning, self.first_of(&[(scope, "ipv6 pp remote prefix pool")]), words, message);
            }
        }
    }

    fn filter_list(&mut self, words: &str, way: &str, at: (usize, usize), list: &FilterList) {
        let config = self.config;
        let named = |number: &&u32| config.filters.get(*number).is_some_and(|filter| filter.pattern.has_name());
        if let Some(number) = list.filters.iter().find(named) {
            let message = Text::new(
                format!(
                    "ip filter {number} names a host, which is not looked up, so it would not do what it says; write its address"
                ),
                format!(
                    "ip filter {number}のホスト名は解決されないため、期待どおりに働きません。アドレスを書いてください"
                ),
            );
            self.tell(Severity::Error, at, &number.to_string(), message);
        }
        let mut missing: Vec<(&str, u32)> = Vec::new();
        missing.extend(list.filters.iter().filter(|n| !config.filters.contains_key(*n)).map(|n| ("ip filter", *n)));
        missing.extend(
            list.dynamics
                .iter()
                .filter(|n| !config.dynamic_filters.contains_key(*n))
                .map(|n| ("ip filter dynamic", *n)),
        );
        for (kind, number) in missing {
            let message = Text::new(
                format!(
                    "{words} {way} names {kind} {number}, which is not there and fits nothing; add it, or take the number out"
                ),
                format!("{words} {way}の{kind} {number}がありません。加えるか、番号を除いてください"),
            );
            self.tell(Severity::Warning, at, &number.to_string(), message);
        }
    }

    /// Lines that nothing here follows: each command once, at its first line.
    fn without_effect(&mut self) {
        let mut kept: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for ((_, row, _), entry) in &self.config.script.entries {
            if table().get(*row).is_some_and(|row| row.standing != Standing::Effective) {
                kept.entry(*row).or_default().push((entry.line, entry.column));
            }
        }
        for (number, mut lines) in kept {
            lines.sort_unstable();
            lines.dedup_by_key(|(line, _)| *line);
            let (Some(row), Some(at)) = (table().get(number), lines.first().copied()) else { continue };
            let (more, jmore) = match lines.len() {
                1 => (String::new(), String::new()),
                count => (format!(" ({count} lines)"), format!("({count}行)")),
            };
            let words = row.words.replace("LAN", "lan");
            let (severity, message) = match row.standing {
                Standing::Effective => continue,
                Standing::Host(english, japanese) => (
                    Severity::Host,
                    Text::new(format!("{words}{more}: {english}"), format!("{words}{jmore}: {japanese}")),
                ),
                Standing::Foreign => (
                    Severity::Foreign,
                    Text::new(
                        format!("{words}{more} is kept and has no effect"),
                        format!("{words}{jmore}は保存されますが、効果はありません"),
                    ),
                ),
                Standing::Later => (
                    Severity::Later,
                    Text::new(
                        format!("{words}{more} is kept and has no effect yet"),
                        format!("{words}{jmore}は保存されますが、まだ効果はありません"),
                    ),
                ),
            };
            self.tell(severity, at, &words, message);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::parse;

    const GOOD: &str = include_str!("../tests/configurations/acceptance.conf");

    /// What is said of the good configuration after some of its lines were replaced.
    fn told(changes: &[(&str, &str)]) -> Vec<String> {
        let mut text = GOOD.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        parse(&text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_is_said_of_a_good_configuration() {
        assert_eq!(told(&[]), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_told_once_with_its_line_and_remedy() {
        let mut missed = Vec::new();
        for (changes, expected) in [
            (
                &[(" pp auth request mschap-v2\n", "")][..],
                "line 11, column 2: Error: pp anonymous asks callers for no password, which is an open door; add pp auth request mschap-v2",
            ),
            (
                &[(" pp auth username vpnuser vpn-Passw0rd\n", "")],
                "line 11, column 2: Warning: pp anonymous knows no user",
            ),
            (&[(" ppp ipcp ipaddress on\n", "")], "line 4, column 2: Warning: callers are not given an address"),
            (
                &[("ppp ipcp ipaddress on", "ppp ipcp ipaddress off")],
                "line 7, column 2: Warning: callers are not given an address",
            ),
            (
                &[("ppp ipcp msext on", "ppp ipcp msext off")],
                "line 8, column 2: Warning: callers are told no name server",
            ),
            (
                &[(" ip pp remote address pool 192.168.100.200-192.168.100.250\n", "")],
                "line 4, column 2: Error: pp anonymous has no address to give",
            ),
            (
                &[("pool 192.168.100.200-", "pool 192.168.100.1-")],
                "line 10, column 2: Error: 192.168.100.1 is the address of lan1",
            ),
            (
                &[("192.168.100.250\n", "192.168.100.255\n")],
                "Warning: 192.168.100.200-192.168.100.255 holds the network's or broadcast address of lan1",
            ),
            (
                &[("ip lan1 proxyarp on\n", "")],
                "line 9, column 2: Warning: 192.168.100.200-192.168.100.250 lies in the network of lan1, whose hosts cannot answer it without ip lan1 proxyarp on",
            ),
            (
                &[("pool 192.168.100.200-192.168.100.250", "pool 10.0.0.1-10.0.0.50")],
                "line 10, column 2: Warning: 10.0.0.1-10.0.0.50 lies in the network of no LAN",
            ),
            (
                &[("pool 192.168.100.200-192.168.100.250", "pool 192.168.100.200-192.168.100.203")],
                "Warning: the pool has 4 addresses for 8 tunnels",
            ),
            (
                &[("pool 192.168.100.200-192.168.100.250", "pool 192.168.100.200-192.168.100.250 192.168.100.210")],
                "Warning: 192.168.100.210 stands in the pool twice",
            ),
            (
                &[("vpn-Passw0rd", "vpn-Passw0rd 192.168.100.1")],
                "line 6, column 2: Error: 192.168.100.1 is the address of lan1",
            ),
            (
                &[("tunnel1-tunnel8", "tunnel1-tunnel10")],
                "line 4, column 2: Warning: tunnels 9-10 are bound but not defined",
            ),
            (
                &[("tunnel1-tunnel8", "tunnel1-tunnel7")],
                "line 28, column 2: Warning: tunnel 8 is enabled but bound to no interface",
            ),
            (
                &[(" pp enable anonymous\n", "")],
                "line 4, column 2: Warning: pp anonymous has tunnels but lets nobody in",
            ),
            (&[(" pp bind tunnel1-tunnel8\n", "")], "line 11, column 2: Warning: no tunnel is bound to pp anonymous"),
            (
                &[("  ipsec ike pre-shared-key 1 text interop-psk\n", "")],
                "line 16, column 2: Error: tunnels 1-8 have no pre-shared key; add ipsec ike pre-shared-key 1 text KEY",
            ),
            (
                &[("  ipsec ike remote address 1 any\n", "")],
                "line 16, column 2: Error: tunnels 1-8 do not say which clients may come",
            ),
            (
                &[("  ipsec ike nat-traversal 1 on\n", "")],
                "line 16, column 2: Warning: tunnels 1-8 do not do NAT traversal",
            ),
            (&[(" ipsec tunnel 1\n", "")], "Error: tunnel 1 has no SA policy; add ipsec tunnel 1"),
            (
                &[("  ipsec sa policy 1 1 esp aes-cbc sha-hmac\n", "")],
                "Error: tunnels 1-8 use SA policies that are not there; add ipsec sa policy 1 1 esp",
            ),
            (&[("1 1 esp aes-cbc sha-hmac", "1 1 ah sha-hmac")], "Error: tunnels 1-8 use AH policies"),
            (
                &[("ipsec transport template 1 2-8\n", "")],
                "line 16, column 2: Error: tunnels 2-8 have no ipsec transport for their policies",
            ),
            (
                &[("ipsec transport 1 1 udp 1701\n", "")],
                "Error: ipsec transport template copies ipsec transport 1, which is not there",
            ),
            (&[("udp 1701", "udp 1702")], "Error: tunnels 1-8 have no ipsec transport"),
            (
                &[
                    (" ipsec tunnel 1\n", " ipsec tunnel 101\n"),
                    ("policy 1 1", "policy 101 1"),
                    ("transport 1 1", "transport 1 101"),
                ],
                "Error: tunnel template gives ipsec lines only where policy and gateway bear the tunnel's own number",
            ),
            (
                &[(" l2tp tunnel disconnect time off\n", "")],
                "line 15, column 2: Warning: tunnels 1-8 are cut after 60 seconds",
            ),
            (&[("l2tp service on\n", "")], "Warning: L2TP is not served; write l2tp service on"),
            (
                &[(" tunnel enable 1\n", ""), ("l2tp service on\n", "")],
                "Warning: no tunnel is enabled, so nobody can connect",
            ),
            (&[("l2tp service on", "l2tp service off")], "line 34, column 1: Warning: L2TP is not served"),
            (&[("l2tp service on", "l2tp service on l2tpv3")], "L2TPv3 is not spoken"),
            (
                &[("l2tp service on", "l2tp service on\nipsec use off")],
                "line 35, column 1: Warning: IPsec is switched off",
            ),
            (
                &[(" tunnel encapsulation l2tp\n", "")],
                "Warning: tunnels 1-8 are bound but their encapsulation is not l2tp",
            ),
            (&[(" tunnel enable 1\n", "")], "Warning: tunnels 1-8 are bound but not enabled; add tunnel enable 1"),
            (
                &[("dns server 192.168.100.10\n", "")],
                "Warning: callers are told the servers of dns server, but there are none",
            ),
            (&[("dns notice order msext server\n", "")], "Warning: callers ask this host itself for names first"),
            (
                &[("l2tp service on", "l2tp service on\nipsec ike remote name 3 phone key-id")],
                "line 35, column 1: Warning: gateway 3 takes Aggressive Mode",
            ),
            (
                &[("l2tp service on", "l2tp service on\ntunnel select 4\nipsec tunnel 3")],
                "Warning: tunnels 3-4 share gateway 3",
            ),
            (
                &[("l2tp service on", "l2tp service on\npp select 1\npp bind tunnel1")],
                "Error: tunnel 1 is bound to two interfaces",
            ),
            (
                &[("l2tp service on", "l2tp service on\nipsec ike refuse md5 sha sha256 sha384 sha512")],
                "line 35, column 1: Error: every hash is refused",
            ),
            (
                &[("pp select anonymous", "pp select 1"), ("pp enable anonymous", "pp enable 1")],
                "Error: only pp anonymous can have several tunnels",
            ),
        ] {
            let told = told(changes);
            if !told.iter().any(|line| line.contains(expected)) {
                missed.push(format!(
                    "{changes:?}
  {expected}
  {told:#?}"
                ));
            }
            let mut lines = told.clone();
            lines.dedup();
            assert_eq!(lines.len(), told.len(), "{told:#?}");
        }
        assert!(missed.is_empty(), "{}", missed.join("\n"));
    }

    #[test]
    fn a_pool_that_begins_with_zero_is_taken() {
        let told = told(&[
            ("ip lan1 address 192.168.100.1/24\n", ""),
            ("192.168.100.200-192.168.100.250", "10.0.100.0-10.0.100.50"),
        ]);
        assert!(told.iter().all(|line| !line.contains("Error")), "{told:#?}");
    }

    #[test]
    fn lists_of_numbers_are_short() {
        assert_eq!(list(&[1, 3, 4, 5, 9]), "1, 3-5, 9");
        assert_eq!(list(&[]), "");
    }
}
