//! `tunnel template` and `ipsec transport template`: one set of lines for many tunnels.

use std::collections::BTreeSet;

use crate::script::{Key, Script};
use crate::table::{Act, Effect, Scope, number_of, table};
use crate::value::{TUNNELS, Value};

/// Hands over every entry with its values: what was written, in the order of the table, then what templates add, one target
/// after the other. What is written for a target itself goes before, and the first of two templates.
pub(crate) fn each(script: &Script, mut take: impl FnMut(&Key, &[Value])) {
    for (key, entry) in &script.entries {
        take(key, &entry.args);
    }
    let mut templates: Vec<(Vec<Copy>, Vec<u32>)> = Vec::new();
    for (source, targets) in tunnel_templates(script) {
        let copies = copies(script, source);
        for target in targets.iter().copied().filter(|target| *target != source) {
            let earlier = || templates.iter().filter(|(_, targets)| targets.binary_search(&target).is_ok());
            for copy in &copies {
                let (key, args) = copy.for_target(target);
                let is_given = earlier().flat_map(|(copies, _)| copies).any(|copy| copy.for_target(target).0 == key);
                if !is_given && !script.entries.contains_key(&key) {
                    take(&key, &args);
                }
            }
        }
        templates.push((copies, targets.into_iter().filter(|target| *target != source).collect()));
    }
    let transport = number_of("ipsec transport");
    let mut given = BTreeSet::new();
    for (key, entry) in script.of_row(number_of("ipsec transport template")) {
        let Some(source) = script.entries.get(&(Scope::Global, transport, key.2.clone())) else {
            continue;
        };
        for target in numbers(entry.args.get(1)) {
            let key = (Scope::Global, transport, vec![Value::Number(target)]);
            if script.entries.contains_key(&key) || !given.insert(target) {
                continue;
            }
            let mut args = source.args.clone();
            for place in args.iter_mut().take(2) {
                *place = Value::Number(target);
            }
            take(&key, &args);
        }
    }
}

/// Each tunnel that is a template, with its targets.
pub(crate) fn tunnel_templates(script: &Script) -> Vec<(u32, Vec<u32>)> {
    script
        .of_row(number_of("tunnel template"))
        .filter_map(|((scope, ..), entry)| match scope {
            Scope::Tunnel(source) => Some((*source, numbers(entry.args.first()))),
            Scope::Global | Scope::Pp(_) => None,
        })
        .collect()
}

/// How many numbers one list may stand for.
const MOST: usize = TUNNELS as usize;

/// The numbers of a list such as `1 2 10-12`, in order.
pub(crate) fn numbers(list: Option<&Value>) -> Vec<u32> {
    let mut found: Vec<u32> = match list {
        Some(Value::List(values)) => values.iter().flat_map(range).take(MOST).collect(),
        Some(value) => range(value).take(MOST).collect(),
        None => Vec::new(),
    };
    found.sort_unstable();
    found.dedup();
    found
}

fn range(value: &Value) -> impl Iterator<Item = u32> {
    let ends = if let Value::Numbers(first, last) = value { Some((*first, *last)) } else { None };
    ends.into_iter().flat_map(|(first, last)| first..=last)
}

/// A line of the template tunnel that others get as well.
struct Copy {
    scope: Scope,
    row: usize,
    args: Vec<Value>,
    /// Places that hold the tunnel's own number, and the place whose text gets the number appended.
    numbers: Vec<usize>,
    named: Option<usize>,
}

impl Copy {
    fn for_target(&self, target: u32) -> (Key, Vec<Value>) {
        let mut args = self.args.clone();
        for place in &self.numbers {
            if let Some(value) = args.get_mut(*place) {
                *value = Value::Number(target);
            }
        }
        if let Some(Value::Text(name)) = self.named.and_then(|place| args.get_mut(place)) {
            name.push_str(&target.to_string());
        }
        let scope = match self.scope {
            Scope::Tunnel(_) => Scope::Tunnel(target),
            other @ (Scope::Global | Scope::Pp(_)) => other,
        };
        let key = table().get(self.row).map(|row| row.key(&args)).unwrap_or_default();
        ((scope, self.row, key), args)
    }
}

fn copies(script: &Script, source: u32) -> Vec<Copy> {
    let own = Value::Number(source);
    let (policy, tunnel) = (number_of("ipsec sa policy"), number_of("ipsec tunnel"));
    let mut copies = Vec::new();
    for ((scope, number, _), entry) in &script.entries {
        let Some(row) = table().get(*number) else { continue };
        let holds = |place: usize| entry.args.get(place) == Some(&own);
        let gateway = row.gateway_slot().filter(|place| holds(*place));
        let numbers = match (scope, row.effect) {
            (Scope::Tunnel(n), _) if *n != source => None,
            (Scope::Tunnel(_), _) if row.templated => Some(Vec::new()),
            (Scope::Tunnel(_), _) if *number == tunnel => holds(0).then(|| vec![0]),
            (Scope::Tunnel(_), Effect::Act(Act::TunnelEnable)) if entry.args.first() == Some(&Value::Word("on")) => {
                Some(Vec::new())
            }
            (Scope::Global, _) if *number == policy => holds(0).then(|| vec![0, 1]),
            (Scope::Global, _) => gateway.map(|place| vec![place]),
            (Scope::Tunnel(_) | Scope::Pp(_), _) => None,
        };
        let Some(numbers) = numbers else { continue };
        let named = (row.words == "ipsec ike remote name").then_some(1);
        copies.push(Copy { scope: *scope, row: *number, args: entry.args.clone(), numbers, named });
    }
    copies
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::config::{Config, Encapsulation};
    use crate::parse;

    fn config(text: &str) -> Config {
        parse(text).0
    }

    /// The lines of all entries, those of templates among them.
    fn lines(text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        each(&config(text).script, |(scope, number, _), args| {
            let prefix = match scope {
                Scope::Tunnel(tunnel) => format!("[{tunnel}] "),
                Scope::Global | Scope::Pp(_) => String::new(),
            };
            lines.extend(table().get(*number).map(|row| format!("{prefix}{}", row.line(args))));
        });
        lines
    }

    const SOURCE: &str = "tunnel select 1\n tunnel template 2 4-5\n tunnel encapsulation l2tp\n tunnel endpoint address 192.0.2.1\n description tunnel first\n tunnel ngn radius auth on\n ipsec tunnel 1\n  ipsec sa policy 1 1 esp aes-cbc sha-hmac\n  ipsec ike pre-shared-key 1 text himitsu1\n  ipsec ike duration isakmp-sa 1 3600\n  ipsec ike remote name 1 pc fqdn\n  ipsec ike remote address 1 any\n  ipsec ike remote address 9 192.0.2.9\n l2tp tunnel disconnect time off\n l2tp hostname gate\n ip tunnel mtu 1300\n tunnel enable 1\nipsec auto refresh 1 on\nipsec auto refresh on\n";

    #[test]
    fn a_template_gives_the_lines_that_the_routers_give_and_no_others() {
        let lines = lines(SOURCE);
        for expected in [
            "[4] tunnel encapsulation l2tp",
            "[4] tunnel ngn radius auth on",
            "[4] ipsec tunnel 4",
            "ipsec sa policy 4 4 esp aes-cbc sha-hmac",
            "ipsec ike pre-shared-key 4 text himitsu1",
            "ipsec ike duration isakmp-sa 4 3600",
            "ipsec ike remote name 4 pc4 fqdn",
            "ipsec ike remote address 4 any",
            "ipsec auto refresh 4 on",
            "[4] l2tp tunnel disconnect time off",
            "[4] l2tp hostname gate",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:?}");
        }
        let config = config(SOURCE);
        assert_eq!(config.tunnels.keys().copied().collect::<Vec<_>>(), [1, 2, 4, 5]);
        let fourth = &config.tunnels[&4];
        assert!(fourth.enabled && fourth.encapsulation == Encapsulation::L2tp);
        assert_eq!((fourth.endpoint_remote, fourth.description.as_deref(), fourth.mtu), (None, None, 1280));
        assert!(!config.gateways.contains_key(&3));
    }

    #[test]
    fn what_is_written_for_a_target_itself_goes_before() {
        let text = format!(
            "{SOURCE}ipsec ike pre-shared-key 2 text himitsu2\ntunnel select 2\n l2tp tunnel disconnect time 30\n tunnel disable 2\ntunnel select 5\n ipsec tunnel 77\n"
        );
        let config = config(&text);
        assert_eq!(config.gateways[&2].key.as_slice(), b"himitsu2");
        assert_eq!(config.gateways[&4].key.as_slice(), b"himitsu1");
        assert_eq!(config.tunnels[&2].l2tp.disconnect_time_s, Some(30));
        assert!(!config.tunnels[&2].enabled && config.tunnels[&4].enabled);
        assert_eq!(config.tunnels[&5].policy, Some(77));
    }

    #[test]
    fn ipsec_lines_are_given_only_where_their_numbers_are_the_tunnels_own() {
        let config = config(
            "tunnel select 1\n tunnel template 2\n tunnel encapsulation l2tp\n ipsec tunnel 101\n  ipsec sa policy 101 1 esp\n  ipsec ike pre-shared-key 1 text a\n tunnel enable 2\n",
        );
        assert_eq!(config.tunnels[&2].policy, None);
        assert!(!config.policies.contains_key(&2));
        assert_eq!(config.gateways[&2].key.as_slice(), b"a");
        assert!(!config.tunnels[&1].enabled);
    }

    #[test]
    fn a_template_that_names_itself_is_harmless() {
        let text = "tunnel select 30\n tunnel template 30-33\n tunnel encapsulation l2tp\n ipsec tunnel 30\n  ipsec ike remote name 30 pc\n tunnel enable 30\n";
        assert!(lines(text).contains(&"ipsec ike remote name 30 pc".to_owned()));
        assert_eq!(config(text).tunnels.len(), 4);
        assert!(config(text).show().contains("tunnel template 30-33\n"));
    }

    #[test]
    fn transport_definitions_are_copied_to_numbers_and_ranges() {
        let text =
            "ipsec transport 1 1 udp 1701 *\nipsec transport 11 111 udp 1701\nipsec transport template 1 2 10-12\n";
        let config = config(text);
        assert_eq!(config.transports.keys().copied().collect::<Vec<_>>(), [1, 2, 10, 11, 12]);
        assert_eq!(config.transports[&12].policy, 12);
        assert_eq!(config.transports[&11].policy, 111);
        assert!(config.transports.values().all(|transport| transport.l2tp));
        assert_eq!(config.show(), text);
    }
}
