//! Rules as `nft -j list ruleset` prints them, turned into chains.

use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use super::{Chain, Hook, Match, Rule, Tool, Verdict, What};

/// Reads the whole output; objects that are not understood are passed over.
pub(super) fn parse(text: &str) -> Vec<Chain> {
    let list: Value = serde_json::from_str(text).unwrap_or_default();
    let objects = list.get("nftables").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut chains: Vec<Chain> = objects.iter().filter_map(|object| chain(object.get("chain")?)).collect();
    for object in objects {
        let Some(rule) = object.get("rule") else { continue };
        let (family, table, name) = (word(rule, "family"), word(rule, "table"), word(rule, "chain"));
        let sets = |set: &str| {
            let found = objects
                .iter()
                .filter_map(|o| o.get("set").or_else(|| o.get("map")))
                .find(|s| word(s, "family") == family && word(s, "table") == table && word(s, "name") == set);
            found.and_then(|s| s.get("elem")).cloned()
        };
        let rules = rules(rule.get("expr").unwrap_or(&Value::Null), &sets);
        let owner = chains.iter_mut().find(|c| c.family == family && c.table == table && c.name == name);
        if let Some(owner) = owner {
            owner.rules.extend(rules);
        }
    }
    chains
}

/// A member that is a string.
fn word<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn chain(object: &Value) -> Option<Chain> {
    let family = word(object, "family");
    if family != "ip" && family != "inet" {
        return None;
    }
    let filters = word(object, "type") == "filter";
    let hook = match word(object, "hook") {
        "input" if filters => Some(Hook::Input),
        "forward" if filters => Some(Hook::Forward),
        _ => None,
    };
    Some(Chain {
        tool: Tool::Nft,
        family: family.to_owned(),
        table: word(object, "table").to_owned(),
        name: word(object, "name").to_owned(),
        hook,
        drops: word(object, "policy") == "drop",
        rules: Vec::new(),
    })
}

/// One rule as it is written; a verdict map makes one of each of its pairs.
fn rules(expr: &Value, sets: &dyn Fn(&str) -> Option<Value>) -> Vec<Rule> {
    let mut matches = Vec::new();
    let mut rules = Vec::new();
    for statement in expr.as_array().map(Vec::as_slice).unwrap_or_default() {
        let Some((kind, value)) = statement.as_object().and_then(|o| o.iter().next()) else {
            // A plain word, such as the "xt" of old versions.
            matches.push(Match { negated: false, what: What::Unknown });
            continue;
        };
        match kind.as_str() {
            "match" => {
                let negated = word(value, "op") == "!=";
                let plain = matches!(word(value, "op"), "==" | "in" | "!=");
                let (left, right) = (value.get("left"), value.get("right"));
                let conditions = match (left, right) {
                    (Some(left), Some(right)) if plain => condition(left, right, sets),
                    _ => vec![What::Unknown],
                };
                // The protocol that a port implies is never negated.
                let last = conditions.len().saturating_sub(1);
                matches.extend(
                    conditions.into_iter().enumerate().map(|(n, what)| Match { negated: negated && n == last, what }),
                );
            }
            "vmap" => rules.extend(verdict_map(value, &matches, sets)),
            "counter" | "log" | "limit" | "comment" | "notrack" | "mangle" | "meta" => {}
            "xt" => matches.push(Match { negated: false, what: What::Unknown }),
            _ => {
                if let Some(verdict) = verdict(statement) {
                    rules.push(Rule { matches: matches.clone(), verdict });
                }
            }
        }
    }
    rules
}

fn verdict(statement: &Value) -> Option<Verdict> {
    let (kind, value) = statement.as_object().and_then(|o: &Map<String, Value>| o.iter().next())?;
    Some(match kind.as_str() {
        "accept" => Verdict::Accept,
        "drop" | "reject" => Verdict::Drop,
        "return" => Verdict::Return,
        "jump" => Verdict::Jump(word(value, "target").to_owned()),
        "goto" => Verdict::Goto(word(value, "target").to_owned()),
        _ => return None,
    })
}

fn verdict_map(value: &Value, before: &[Match], sets: &dyn Fn(&str) -> Option<Value>) -> Vec<Rule> {
    let data = value.get("data").cloned().unwrap_or_default();
    let data = data.as_str().and_then(|name| sets(name.trim_start_matches('@'))).unwrap_or(data);
    let pairs = data.get("set").unwrap_or(&data).as_array().cloned().unwrap_or_default();
    let key = value.get("key").unwrap_or(&Value::Null);
    let mut rules = Vec::new();
    for pair in &pairs {
        let (Some(left), Some(verdict)) = (pair.get(0), pair.get(1).and_then(verdict)) else {
            continue;
        };
        let mut matches = before.to_vec();
        matches.extend(condition(key, left, sets).into_iter().map(|what| Match { negated: false, what }));
        rules.push(Rule { matches, verdict });
    }
    rules
}

/// What `left` compared with `right` means; a port of a named protocol implies that protocol.
fn condition(left: &Value, right: &Value, sets: &dyn Fn(&str) -> Option<Value>) -> Vec<What> {
    let named = right.as_str().and_then(|text| text.strip_prefix('@')).map(sets);
    let right = match named {
        Some(Some(elements)) => elements,
        Some(None) => return vec![What::Unknown],
        None => right.clone(),
    };
    let values = list(&right);
    let words = || values.iter().map(text_of).collect::<Option<Vec<String>>>();
    let (kind, detail) = match left.as_object().and_then(|o| o.iter().next()) {
        Some((kind, detail)) => (kind.as_str(), detail),
        None => return vec![What::Unknown],
    };
    let known = match (kind, word(detail, "key"), word(detail, "protocol"), word(detail, "field")) {
        ("meta", "iifname" | "iif", ..) => words().map(What::In),
        ("meta", "oifname" | "oif", ..) => words().map(What::Out),
        ("meta", "l4proto", ..) | ("payload", _, "ip", "protocol") => words().map(What::Protocol),
        ("ct", "state", ..) => words().map(What::State),
        ("payload", _, "ip", "saddr") => networks(&values).map(What::Source),
        ("payload", _, "ip", "daddr") => networks(&values).map(What::Destination),
        ("payload", _, protocol, "dport") => {
            let ports = ports(&values).map_or(What::Unknown, What::Port);
            if protocol == "th" {
                return vec![ports];
            }
            return vec![What::Protocol(vec![protocol.to_owned()]), ports];
        }
        _ => None,
    };
    vec![known.unwrap_or(What::Unknown)]
}

/// The single values of a right-hand side: a plain one, a set, a list.
fn list(value: &Value) -> Vec<Value> {
    let elements = value.get("set").unwrap_or(value);
    let elements = elements.as_array().cloned().unwrap_or_else(|| vec![elements.clone()]);
    elements.into_iter().map(|e| e.get("elem").and_then(|inner| inner.get("val")).cloned().unwrap_or(e)).collect()
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn ports(values: &[Value]) -> Option<Vec<(u16, u16)>> {
    let number = |v: &Value| v.as_u64().and_then(|n| u16::try_from(n).ok());
    values
        .iter()
        .map(|value| match value.get("range") {
            Some(range) => Some((number(range.get(0)?)?, number(range.get(1)?)?)),
            None => number(value).map(|port| (port, port)),
        })
        .collect()
}

fn networks(values: &[Value]) -> Option<Vec<(Ipv4Addr, u8)>> {
    values
        .iter()
        .map(|value| match value.get("prefix") {
            Some(prefix) => {
                let length = prefix.get("len").and_then(Value::as_u64).and_then(|n| u8::try_from(n).ok())?;
                Some((word(prefix, "addr").parse().ok()?, length))
            }
            None => Some((value.as_str()?.parse().ok()?, 32)),
        })
        .collect()
}
