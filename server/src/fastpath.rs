//! The screen `show status fastpath`: what carries packets here, how many at a time, and what went no further.

use crate::moderation::REST;
use crate::udp::Sent;
use crate::worker::Done;
use command::Language;
use engine::path::Drop;
use std::fmt::Write as _;

/// How many packets went through calls into the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batches {
    /// Calls.
    pub(crate) calls: u64,
    /// Packets in them.
    pub(crate) packets: u64,
    /// The most packets of one call.
    pub(crate) largest: u64,
}

impl Batches {
    /// Counts one call.
    pub(crate) fn add(&mut self, packets: usize) {
        let packets = packets as u64;
        self.calls += 1;
        self.packets += packets;
        self.largest = self.largest.max(packets);
    }

    /// Counts what another thread has counted, too.
    pub(crate) fn merge(&mut self, other: Self) {
        self.calls += other.calls;
        self.packets += other.packets;
        self.largest = self.largest.max(other.largest);
    }

    fn told(self, language: Language) -> String {
        let Self { calls, packets, largest } = self;
        // Of no calls there is no mean.
        let tenths = (packets * 10).checked_div(calls).unwrap_or(0);
        let (whole, tenth) = (tenths / 10, tenths % 10);
        match language {
            Language::English => {
                format!("{packets} packets in {calls} calls ({whole}.{tenth} a call, {largest} at most)")
            }
            Language::Japanese => {
                format!("{packets}パケット / {calls}回 (1回に平均{whole}.{tenth}、最大{largest}パケット)")
            }
        }
    }
}

/// Why a packet went no further, in both languages.
fn reason(why: Drop) -> (&'static str, &'static str) {
    match why {
        Drop::BadLength => ("of a length that ESP cannot have", "ESPとしてありえない長さ"),
        Drop::UnknownSpi => ("of no SA of ours", "該当するSAがない"),
        Drop::Replayed => ("seen before, or too old", "再送または古すぎるパケット"),
        Drop::BadIcv => ("not authentic", "認証に失敗"),
        Drop::BadPadding => ("with wrong padding", "パディングが不正"),
        Drop::Dummy => ("dummies", "ダミーパケット"),
        Drop::NotL2tp => ("not L2TP", "L2TPではない"),
        Drop::BadL2tp => ("with a header that does not fit", "L2TPヘッダーが不正"),
        Drop::WrongSession => ("of another session", "セッションが違う"),
        Drop::OutOfSequence => ("numbered, and later than others", "順序番号が古い"),
        Drop::Unveiled => ("not encrypted within as was agreed on", "合意した内側の暗号化がない"),
        Drop::Filtered => ("rejected by a filter", "フィルターで破棄"),
        Drop::BadPpp => ("not a PPP frame", "PPPフレームが不正"),
        Drop::NotUp => ("before the client had an address", "アドレスの割り当て前"),
        Drop::BadIp => ("not an IP packet", "IPパケットが不正"),
        Drop::SpoofedSource => ("from an address that is not the client's", "送信元アドレスの詐称"),
        Drop::Multicast => ("to a multicast or broadcast address", "マルチキャストまたはブロードキャスト"),
        Drop::ControlFlood => ("more control messages than a client may send", "制御メッセージが多すぎる"),
        Drop::QueueFull => ("for want of room in a queue", "待ち行列があふれた"),
        Drop::NoClient => ("to an address that no client has", "宛先のクライアントがいない"),
        Drop::NoSa => ("to a client without an SA", "送信に使えるSAがない"),
        Drop::NoRoom => ("without room for headers", "ヘッダーを置く余地がない"),
        Drop::TooBig => ("too big, and not to be cut", "大きすぎて分割もできない"),
        Drop::Exhausted => ("for want of sequence numbers", "シーケンス番号を使い切った"),
    }
}

/// What is said where the data thread does not answer in time.
pub(crate) const TOO_BUSY: (&str, &str) =
    ("the data thread is too busy to answer; ask again", "データ転送が忙しく応答できません。もう一度実行してください");

/// The same as JSON; drops by the names of their counters.
pub(crate) fn json(done: &Done) -> serde_json::Value {
    let batches = |of: Batches| serde_json::json!({"packets": of.packets, "calls": of.calls, "largest": of.largest});
    let sent = |of: Sent| serde_json::json!({"packets": of.packets, "calls": of.calls, "refused": of.refused});
    let ours = [
        ("junk", done.junk),
        ("crowded_out", done.crowded_out),
        ("isakmp_lost", done.ike_lost),
        ("tun_refused", done.unwritten),
    ];
    let drops = done.totals.drops().map(|(why, count)| (why.label(), count)).chain(ours);
    let drops: serde_json::Map<String, serde_json::Value> =
        drops.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count.into())).collect();
    serde_json::json!({
        "packets_by_thread": done.shares,
        "processor_units": crypto::lanes::Units::in_use().to_string(),
        "tun_segments_udp": done.segments_udp,
        "udp_segmentation_refused": done.udp.unsegmented,
        "udp_merged": done.merges,
        "moderated": done.moderates,
        "received_in_udp": batches(done.received_udp),
        "received_as_esp": batches(done.received_raw),
        "written_to_tun": batches(done.written),
        "read_from_tun": batches(done.read),
        "sent_in_udp": sent(done.udp),
        "sent_as_esp": sent(done.raw),
        "sent_as_esp_over_ipv6": sent(done.raw6),
        "dropped": drops,
    })
}

/// The screen.
pub(crate) fn screen(done: &Done, language: Language) -> String {
    let pick = |english: &'static str, japanese: &'static str| match language {
        Language::English => english,
        Language::Japanese => japanese,
    };
    let mut out = String::new();
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(out, "{label}: {text}");
    };
    let shares: Vec<String> = done.shares.iter().map(u64::to_string).collect();
    let (threads, shares) = (shares.len(), shares.join(" + "));
    let threads = match language {
        Language::English => format!("{threads} ({shares} packets)"),
        Language::Japanese => format!("{threads} ({shares}パケット)"),
    };
    line(pick("Data threads", "データ転送スレッド"), &threads);
    line(pick("Processor units", "使用する演算機能"), &crypto::lanes::Units::in_use().to_string());
    let super_packets = if done.segments_udp {
        pick("TCP and UDP super-packets", "TCPとUDPの結合パケット")
    } else {
        pick("TCP super-packets; this kernel has none of UDP", "TCPの結合パケット(このカーネルはUDPに未対応)")
    };
    line(pick("TUN device", "TUNデバイス"), super_packets);
    let segmentation = match (done.udp.unsegmented, language) {
        (0, _) => pick("by the kernel (GSO)", "カーネルが行う(GSO)").to_owned(),
        (times, Language::English) => format!("by the kernel (GSO); refused {times} times, then sent one by one"),
        (times, Language::Japanese) => format!("カーネルが行う(GSO)、{times}回拒否され個別に送信"),
    };
    line(pick("UDP segmentation", "UDPの分割"), &segmentation);
    let merging = if done.merges {
        pick("by the kernel (GRO)", "カーネルが行う(GRO)")
    } else {
        pick("none: little comes in, or it has no UDP checksums", "なし(受信が少ないか、UDPチェックサムがない)")
    };
    line(pick("UDP merging", "UDPの結合"), merging);
    let wake_ups = match (done.moderates, language, REST.as_micros()) {
        (false, ..) => pick("as packets come", "パケットの到着ごと").to_owned(),
        (true, Language::English, rest) => format!("moderated: packets gather for {rest} µs, since many come alone"),
        (true, Language::Japanese, rest) => {
            format!("抑制中(単独のパケットが多く届くため{rest}マイクロ秒ごとにまとめる)")
        }
    };
    line(pick("Wake-ups", "スレッドの起床"), &wake_ups);
    for (english, japanese, batches) in [
        ("Received in UDP", "UDPで受信", done.received_udp),
        ("Received as ESP", "ESPで受信", done.received_raw),
        ("Written to the TUN", "TUNへ書き込み", done.written),
        ("Read from the TUN", "TUNから読み出し", done.read),
    ] {
        line(pick(english, japanese), &batches.told(language));
    }
    for (english, japanese, sent) in [
        ("Sent in UDP", "UDPで送信", done.udp),
        ("Sent as ESP", "ESPで送信", done.raw),
        ("Sent as ESP over IPv6", "ESPで送信(IPv6)", done.raw6),
    ] {
        let text = match language {
            Language::English => format!("{} packets in {} calls, {} refused", sent.packets, sent.calls, sent.refused),
            Language::Japanese => {
                format!("{}パケット / {}回、カーネルが拒否{}パケット", sent.packets, sent.calls, sent.refused)
            }
        };
        line(pick(english, japanese), &text);
    }
    let ours = [
        (done.junk, ("on port 4500, neither ESP nor IKE", "ポート4500宛のESPでもIKEでもないもの")),
        (done.crowded_out, ("that came faster than they could be carried", "処理能力を超えて到着")),
        (done.ike_lost, ("of IKE, for want of room", "IKEの待ち行列があふれた")),
        (done.unwritten, ("not taken by the TUN", "TUNが受け付けなかった")),
    ];
    let drops = done.totals.drops().map(|(why, count)| (count, reason(why))).chain(ours);
    let drops: Vec<_> = drops.filter(|(count, _)| *count > 0).collect();
    if drops.is_empty() {
        line(pick("Dropped", "破棄"), pick("nothing", "なし"));
    } else {
        line(pick("Dropped", "破棄"), "");
        for (count, (english, japanese)) in drops {
            let _ = writeln!(out, "  {count:>10}  {}", pick(english, japanese));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_tells_kernels_offloads_batches_and_drops_in_both_languages() {
        let mut done = Done { shares: vec![70, 5], segments_udp: true, junk: 3, ..Done::default() };
        for packets in [64, 1, 10] {
            done.received_udp.add(packets);
        }
        let english = screen(&done, Language::English);
        assert!(
            english.starts_with(&format!(
                "Data threads: 2 (70 + 5 packets)\nProcessor units: {}\n",
                crypto::lanes::Units::in_use()
            )),
            "{english}"
        );
        assert!(english.contains("TUN device: TCP and UDP super-packets\n"), "{english}");
        assert!(english.contains("Received in UDP: 75 packets in 3 calls (25.0 a call, 64 at most)\n"), "{english}");
        assert!(english.contains("Received as ESP: 0 packets in 0 calls (0.0 a call, 0 at most)\n"), "{english}");
        assert!(english.contains("           3  on port 4500, neither ESP nor IKE\n"), "{english}");
        assert!(!english.contains("not authentic"), "{english}");
        assert!(english.contains("UDP merging: none: little comes in, or it has no UDP checksums\n"), "{english}");
        assert!(english.contains("Wake-ups: as packets come\n"), "{english}");
        (done.udp.unsegmented, done.merges, done.moderates) = (2, true, true);
        let japanese = screen(&done, Language::Japanese);
        assert!(japanese.contains("UDPで受信: 75パケット / 3回 (1回に平均25.0、最大64パケット)\n"), "{japanese}");
        assert!(japanese.contains("UDPの分割: カーネルが行う(GSO)、2回拒否され個別に送信\n"), "{japanese}");
        assert!(japanese.contains("UDPの結合: カーネルが行う(GRO)\n"), "{japanese}");
        assert!(japanese.contains("200マイクロ秒ごとにまとめる"), "{japanese}");
        let json = json(&done);
        assert_eq!((&json["received_in_udp"]["packets"], &json["dropped"]["junk"]), (&75.into(), &3.into()));
        assert!(screen(&Done::default(), Language::English).ends_with("Dropped: nothing\n"));
    }
}
