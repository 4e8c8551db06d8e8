//! Commands of the routers that are about something else than callers: known, kept, and told.

use crate::rows::host::{
    ADVERTISEMENT, CLOCK, DHCP, KERNEL, LINK, NAT, NFTABLES, RESOLVER, ROUTES, ROUTING, SCHEDULE, SSH, TRAFFIC, VRRP,
    Way,
};
use crate::table::{Home, Place, Row};
use crate::value::{Kind, REST, Slot, must};

const ANY: &[Slot] = &[REST];
const OF_LAN: &[Slot] = &[must("LAN", Kind::Interface), REST];

const fn host(home: Home, words: &'static str, slots: &'static [Slot], way: Way) -> Row {
    Row::host(home, words, slots, Place::Other, way).many(slots.len())
}

const fn foreign(home: Home, words: &'static str) -> Row {
    Row::foreign(home, words, ANY, Place::Other).many(1)
}

pub(crate) const ROWS: &[Row] = &[
    host(Home::Global, "ip keepalive", ANY, ROUTES).help("watch over routes", "経路の監視"),
    host(Home::Global, "ip host", ANY, RESOLVER).help("a static name", "ホスト名の定義"),
    host(Home::Global, "ip arp timer", ANY, LINK).help("how long ARP entries live", "ARPの保持時間"),
    host(Home::Global, "ip icmp", ANY, KERNEL).help("how ICMP is answered", "ICMPの応答"),
    host(Home::Global, "ip stealth", ANY, NFTABLES).help("drop without an answer", "ステルス機能"),
    host(Home::Global, "ip inbound filter", ANY, NFTABLES).help("an inbound filter", "入力遮断フィルター"),
    host(Home::Global, "ip policy", ANY, NFTABLES).help("a policy filter", "ポリシーフィルター"),
    host(Home::Global, "ip simple-service", ANY, KERNEL).help("echo, discard and the like", "簡易サービス"),
    host(Home::Global, "ip flow", ANY, KERNEL).help("flow tables", "フローテーブル"),
    host(Home::Global, "ip tos supersede", ANY, NFTABLES).help("rewrite the type of service", "TOSの書き換え"),
    host(Home::Global, "ip reassembly", ANY, KERNEL).help("how fragments are put together", "フラグメントの再構成"),
    host(Home::Global, "ip fragment", ANY, KERNEL).help("how packets are cut", "フラグメントの扱い"),
    host(Home::Global, "ip implicit-route", ANY, ROUTES).help("preference of implicit routes", "暗黙の経路の優先度"),
    host(Home::Global, "ip LAN secondary address", OF_LAN, LINK)
        .help("a second address of a LAN", "LANのセカンダリアドレス"),
    host(Home::Global, "ip LAN rip", OF_LAN, ROUTING).help("RIP on a LAN", "LANのRIP"),
    host(Home::Global, "ip LAN ospf", OF_LAN, ROUTING).help("OSPF on a LAN", "LANのOSPF"),
    host(Home::Global, "ip LAN arp", OF_LAN, LINK).help("ARP on a LAN", "LANのARP"),
    host(Home::Global, "ip LAN dhcp", OF_LAN, DHCP).help("DHCP on a LAN", "LANのDHCP"),
    host(Home::Global, "ip LAN vrrp", OF_LAN, VRRP).help("VRRP on a LAN", "LANのVRRP"),
    host(Home::Global, "ip LAN inbound filter list", OF_LAN, NFTABLES)
        .help("inbound filters of a LAN", "LANの入力遮断フィルター"),
    host(Home::Global, "ip LAN forward filter", OF_LAN, NFTABLES)
        .help("which way packets of a LAN go", "LANのフォワードフィルター"),
    host(Home::Global, "ip LAN traffic list", OF_LAN, NFTABLES)
        .help("traffic of a LAN by kind", "LANのトラフィック分類"),
    host(Home::Global, "ip LAN wol relay", OF_LAN, LINK).help("relay wake-up packets", "WOLパケットの中継"),
    host(Home::Global, "ip LAN tcp window-scale", OF_LAN, NFTABLES)
        .help("take TCP's window scale away on a LAN", "LANのTCPウィンドウスケール"),
    host(Home::Pp, "ip pp tcp window-scale", ANY, NFTABLES)
        .help("take TCP's window scale away for callers", "PPのTCPウィンドウスケール"),
    host(Home::Tunnel, "ip tunnel tcp window-scale", ANY, NFTABLES)
        .help("take TCP's window scale away in the tunnel", "トンネルのTCPウィンドウスケール"),
    foreign(Home::Pp, "pp encapsulation")
        .unlisted()
        .help("how frame relay carries packets", "フレームリレーのカプセル化"),
    host(Home::Global, "ip LAN rebound", OF_LAN, KERNEL)
        .help("send packets back where they came from", "受信インタフェースへの転送"),
    host(Home::Global, "ipv6 LAN dhcp service", OF_LAN, ADVERTISEMENT).help("DHCPv6 on a LAN", "LANのDHCPv6"),
    host(Home::Global, "ipv6 LAN mld", OF_LAN, ROUTING).help("MLD on a LAN", "LANのMLD"),
    host(Home::Global, "ipv6 LAN mtu", OF_LAN, LINK).help("IPv6 MTU of a LAN", "LANのIPv6のMTU"),
    host(Home::Global, "ipv6 LAN secure filter", OF_LAN, NFTABLES).help("IPv6 filters of a LAN", "LANのIPv6フィルター"),
    host(Home::Global, "ipv6 LAN tcp mss limit", OF_LAN, NFTABLES)
        .help("limit of TCP's MSS over IPv6 on a LAN", "LANのIPv6のTCP MSS制限"),
    host(Home::Global, "ipv6 LAN rip", OF_LAN, ROUTING).help("RIPng on a LAN", "LANのRIPng"),
    host(Home::Global, "ipv6 filter dynamic", ANY, NFTABLES)
        .help("an IPv6 filter that follows connections", "IPv6動的フィルター"),
    host(Home::Global, "ipv6 source address selection rule", ANY, KERNEL)
        .help("which source address is taken", "送信元アドレスの選択"),
    host(Home::Global, "ipv6 nd", ANY, KERNEL).help("neighbour discovery", "近隣探索"),
    host(Home::Global, "ipv6 rip", ANY, ROUTING).help("RIPng", "RIPngの設定"),
    host(Home::Global, "ipv6 ospf", ANY, ROUTING).help("OSPFv3", "OSPFv3の設定"),
    host(Home::Pp, "ipv6 pp secure filter", ANY, NFTABLES).help("IPv6 filters of callers", "PPのIPv6フィルター"),
    host(Home::Pp, "ipv6 pp rip", ANY, ROUTING).help("RIPng on the link", "PPのRIPng"),
    foreign(Home::Pp, "ipv6 pp mtu").help("IPv6 MTU of the link; ip pp mtu counts", "PPのIPv6のMTU"),
    foreign(Home::Pp, "ipv6 pp prefix").help("an IPv6 prefix of the link", "PPのIPv6プレフィックス"),
    foreign(Home::Pp, "ipv6 pp dhcp service").help("DHCPv6 on the link", "PPのDHCPv6"),
    foreign(Home::Pp, "ipv6 pp rtadv send")
        .help("router advertisement on the link; it is always there with a prefix pool", "PPのルーター広告"),
    foreign(Home::Pp, "ipv6 pp tcp mss limit")
        .help("limit of TCP's MSS over IPv6; ip pp tcp mss limit counts", "PPのIPv6のTCP MSS制限"),
    host(Home::Pp, "ip pp rip", ANY, ROUTING).help("RIP on the link", "PPのRIP"),
    host(Home::Pp, "ip pp ospf", ANY, ROUTING).help("OSPF on the link", "PPのOSPF"),
    host(Home::Pp, "ip pp inbound filter list", ANY, NFTABLES)
        .help("inbound filters of callers", "PPの入力遮断フィルター"),
    foreign(Home::Pp, "ip pp hold-off").help("pause after a routing update", "PPのRIP休止時間"),
    foreign(Home::Pp, "ip pp backup").help("a line that stands in", "PPのバックアップ回線"),
    foreign(Home::Pp, "pp backup").help("a line that stands in", "PPのバックアップ回線"),
    foreign(Home::Pp, "pppoe").help("PPPoE towards a provider", "PPPoEの設定"),
    foreign(Home::Pp, "isdn").help("settings of ISDN", "ISDNの設定"),
    foreign(Home::Global, "account").help("limits of charges", "課金の制限"),
    host(Home::Tunnel, "ip tunnel rip", ANY, ROUTING).help("RIP in the tunnel", "トンネルのRIP"),
    host(Home::Tunnel, "ip tunnel ospf", ANY, ROUTING).help("OSPF in the tunnel", "トンネルのOSPF"),
    host(Home::Tunnel, "ip tunnel inbound filter list", ANY, NFTABLES)
        .help("inbound filters of the tunnel", "トンネルの入力遮断フィルター"),
    host(Home::Tunnel, "ipv6 tunnel", ANY, NFTABLES).help("IPv6 of the tunnel", "トンネルのIPv6設定"),
    foreign(Home::Tunnel, "tunnel backup").help("a line that stands in", "トンネルのバックアップ"),
    host(Home::Tunnel, "tunnel qos", ANY, TRAFFIC).help("priorities in the tunnel", "トンネルのQoS"),
    host(Home::Global, "rip", ANY, ROUTING).help("settings of RIP", "RIPの設定"),
    host(Home::Global, "ospf", ANY, ROUTING).help("settings of OSPF", "OSPFの設定"),
    host(Home::Global, "bgp", ANY, ROUTING).help("settings of BGP", "BGPの設定"),
    host(Home::Global, "pim", ANY, ROUTING).help("multicast routing", "マルチキャストの経路制御"),
    host(Home::Global, "igmp", ANY, ROUTING).help("settings of IGMP", "IGMPの設定"),
    host(Home::Global, "nat descriptor", ANY, NAT).help("other settings of a NAT", "NATのその他の設定"),
    host(Home::Global, "lan", ANY, LINK).help("ports of a LAN", "LANポートの設定"),
    host(Home::Global, "vlan", ANY, LINK).help("VLANs", "VLANの設定"),
    host(Home::Global, "bridge", ANY, LINK).help("bridges", "ブリッジの設定"),
    host(Home::Global, "loopback", ANY, LINK).help("loopback interfaces", "ループバックインタフェース"),
    foreign(Home::Global, "switch").help("control of switches", "スイッチ制御"),
    host(Home::Global, "queue", ANY, TRAFFIC).help("queues and priorities", "帯域制御"),
    host(Home::Global, "speed", ANY, TRAFFIC).help("speed of an interface", "インタフェースの速度"),
    host(Home::Global, "qos", ANY, TRAFFIC).help("priorities", "QoSの設定"),
    foreign(Home::Global, "provider").help("a provider, as the router's pages write it", "プロバイダーの設定"),
    foreign(Home::Global, "mobile").help("mobile terminals", "モバイルインターネット"),
    foreign(Home::Global, "wan1").help("the mobile interface", "WANインタフェース"),
    foreign(Home::Global, "bri").help("ISDN lines", "BRI回線"),
    foreign(Home::Global, "pri").help("leased lines", "PRI回線"),
    foreign(Home::Global, "line").help("kinds of lines", "回線の種類"),
    foreign(Home::Global, "leased").help("leased lines", "専用線"),
    foreign(Home::Global, "fr").help("frame relay", "フレームリレー"),
    foreign(Home::Global, "analog").help("telephones", "アナログ電話"),
    foreign(Home::Global, "sip").help("telephony", "SIPの設定"),
    foreign(Home::Global, "ngn").help("settings of NGN", "NGNの設定"),
    foreign(Home::Global, "map-e").help("MAP-E", "MAP-Eの設定"),
    foreign(Home::Global, "usbhost").help("USB ports", "USBホスト機能"),
    foreign(Home::Global, "sd").help("memory cards", "SDメモリーカード"),
    foreign(Home::Global, "external-memory").help("memory cards and sticks", "外部メモリー"),
    foreign(Home::Global, "button").help("buttons of the router", "ボタン操作"),
    foreign(Home::Global, "led").help("lamps of the router", "LEDの設定"),
    host(Home::Global, "ntpdate", ANY, CLOCK).help("set the clock from a server", "時刻の取得"),
    host(Home::Global, "ntp", ANY, CLOCK).help("time servers", "NTPの設定"),
    host(Home::Global, "sntpd", ANY, CLOCK).help("serve the time", "SNTPサーバー"),
    host(Home::Global, "rdate", ANY, CLOCK).help("set the clock from a server", "時刻の取得"),
    foreign(Home::Global, "snmp").help("settings of SNMP", "SNMPの設定"),
    foreign(Home::Global, "snmpv2c").help("settings of SNMP", "SNMPv2cの設定"),
    foreign(Home::Global, "snmpv3").help("settings of SNMP", "SNMPv3の設定"),
    foreign(Home::Global, "statistics").help("statistics of the router", "統計情報"),
    foreign(Home::Global, "mail").help("mail about events", "メール通知"),
    host(Home::Global, "lua", ANY, SCHEDULE).help("scripts", "Luaスクリプト"),
    foreign(Home::Global, "operation").help("what may be done from afar", "操作の許可"),
    foreign(Home::Global, "http").help("updates of the router", "HTTPによる更新"),
    foreign(Home::Global, "upnp").help("settings of UPnP", "UPnPの設定"),
    host(Home::Global, "url", ANY, NFTABLES).help("filters by address of a page", "URLフィルター"),
    foreign(Home::Global, "heartbeat").help("heartbeats of the router", "ハートビート"),
    foreign(Home::Global, "heartbeat2").help("heartbeats of the router", "ハートビート通知"),
    foreign(Home::Global, "cooperation").help("measuring with other routers", "連携機能"),
    host(Home::Global, "dns cache", ANY, RESOLVER).help("the resolver's cache", "DNSキャッシュ"),
    host(Home::Global, "dns srcport", ANY, RESOLVER).help("the resolver's ports", "DNSの送信元ポート"),
    host(Home::Global, "dns hosts", ANY, RESOLVER).help("a file of names", "DNSのhostsファイル"),
    host(Home::Global, "dns syslog resolv", ANY, RESOLVER).help("log names that are looked up", "DNSのログ"),
    host(Home::Global, "dhcp manual", ANY, DHCP).help("act on DHCP by hand", "DHCPの手動操作"),
    host(Home::Global, "dhcp relay", ANY, DHCP).help("relay DHCP", "DHCPリレー"),
    host(Home::Global, "dhcp client", ANY, DHCP).help("ask for addresses", "DHCPクライアント"),
    host(Home::Global, "dhcp convert lease to bind", ANY, DHCP)
        .help("keep addresses that were lent", "DHCPの固定割り当てへの変換"),
    host(Home::Global, "dhcp duplicate check", ANY, DHCP)
        .help("look whether an address is in use", "DHCPの重複チェック"),
    host(Home::Global, "dhcp scope lease type", ANY, DHCP).help("how DHCP lends", "DHCPの割り当て方法"),
    host(Home::Global, "sshd encrypt algorithm", ANY, SSH).help("ciphers of SSH", "SSHの暗号"),
    host(Home::Global, "sshd client alive", ANY, SSH).help("whether SSH clients are alive", "SSHの生存確認"),
    host(Home::Global, "sshd auth method", ANY, SSH).help("how SSH clients prove who they are", "SSHの認証方式"),
    host(Home::Global, "sshd hide openssh version", ANY, SSH).help("what SSH tells of itself", "SSHのバージョン表示"),
    host(Home::Global, "sshd authorized-keys filename", ANY, SSH).help("keys of SSH clients", "SSHの公開鍵"),
    host(Home::Global, "sftpd host", ANY, SSH).help("who may come by SFTP", "SFTPを許すホスト"),
    foreign(Home::Global, "httpd timeout").help("how long a page may take", "HTTPのタイムアウト"),
    foreign(Home::Global, "httpd listen").help("the page's port", "HTTPのポート番号"),
    foreign(Home::Global, "httpd custom-gui").help("pages of one's own", "カスタムGUI"),
    foreign(Home::Global, "remote setup accept").help("being set up over ISDN", "リモートセットアップ"),
    foreign(Home::Global, "packetdump").help("show packets", "パケットダンプ"),
    foreign(Home::Global, "packet-buffer").help("the router's buffers", "パケットバッファー"),
    foreign(Home::Global, "system").help("the router's hardware", "システムの設定"),
    foreign(Home::Global, "dashboard").help("the router's dashboard", "ダッシュボード"),
    foreign(Home::Global, "lan-map").help("the router's map of the LAN", "LANマップ"),
    foreign(Home::Global, "yno").help("Yamaha's cloud", "YNOの設定"),
    foreign(Home::Global, "wlan-ap-agent").help("wireless LAN", "無線LAN"),
    foreign(Home::Global, "pki").help("certificates", "証明書"),
    Row::kept(Home::Global, "radius alive", ANY, Place::Other)
        .many(1)
        .help("whether RADIUS answers", "RADIUSの生存確認"),
    foreign(Home::Global, "l2tp service listen").help("L2TP's port", "L2TPのポート"),
    foreign(Home::Global, "embedding").help("pieces of files", "埋め込み"),
    foreign(Home::Global, "auth user").help("users of XAUTH and PKI", "認証ユーザー"),
    foreign(Home::Global, "ipsec ike xauth myname").help("XAUTH: our own name", "XAUTHの自分の名前"),
    foreign(Home::Global, "ipsec ike xauth request").help("XAUTH: ask for a name", "XAUTHの要求"),
    foreign(Home::Global, "ipsec ike mode-cfg address")
        .help("mode configuration of XAUTH", "モードコンフィグのアドレス"),
    foreign(Home::Global, "ipsec ike mode-cfg method").help("mode configuration of XAUTH", "モードコンフィグの方式"),
    foreign(Home::Global, "ipsec ike eap myname").help("IKEv2: our own name", "IKEv2のEAP名"),
    foreign(Home::Global, "ipsec ike eap request").help("IKEv2: ask for a name", "IKEv2のEAP要求"),
    foreign(Home::Global, "ipsec ike eap send certreq").help("IKEv2: ask for a certificate", "IKEv2の証明書要求"),
    foreign(Home::Global, "ipsec ike auth method").help("IKEv2: how to prove who one is", "IKEv2の認証方式"),
    foreign(Home::Global, "ipsec ike child-exchange type").help("IKEv2: how keys are renewed", "IKEv2の鍵交換方式"),
    foreign(Home::Global, "ipsec ike proposal-limitation").help("IKEv2: how much is offered", "IKEv2の提案の制限"),
    foreign(Home::Global, "ipsec ike message-id-control").help("IKEv2: one message at a time", "IKEv2のメッセージ制御"),
    foreign(Home::Global, "ipsec ike license-key")
        .help("keys of Yamaha's VPN client", "VPNクライアントのライセンスキー"),
    foreign(Home::Global, "ipsec ike esn").help("long sequence numbers", "拡張シーケンス番号"),
    host(Home::Global, "ip route change log", ANY, ROUTES).help("log changes of the routes", "経路変化のログ"),
    host(Home::Global, "ip local forward filter", ANY, ROUTES)
        .help("which way our own packets go", "自分のパケットのフォワードフィルター"),
    host(Home::Global, "ip forward filter", ANY, ROUTES).help("routes by filter", "フォワードフィルターの定義"),
    host(Home::Global, "ip pim", ANY, ROUTING).help("multicast routing", "マルチキャストの経路制御"),
    host(Home::Global, "ip LAN igmp", OF_LAN, ROUTING).help("IGMP on a LAN", "LANのIGMP"),
    host(Home::Global, "ip LAN pim", OF_LAN, ROUTING).help("multicast routing on a LAN", "LANのPIM"),
    host(Home::Global, "ip LAN dpi", OF_LAN, NFTABLES)
        .help("filters by application on a LAN", "LANのアプリケーション制御"),
    host(Home::Global, "tcp log", ANY, NFTABLES).help("log TCP packets", "TCPのログ"),
    host(Home::Global, "tcp session limit", ANY, KERNEL)
        .help("how many TCP sessions there may be", "TCPセッションの上限"),
    host(Home::Global, "ethernet", ANY, NFTABLES).help("filters by hardware address", "イーサネットフィルター"),
    host(Home::Global, "dpi", ANY, NFTABLES).help("filters by application", "アプリケーション制御"),
    host(Home::Global, "dns service fallback", ANY, RESOLVER)
        .help("whether DNS falls back to IPv4", "DNSの問い合わせのフォールバック"),
    host(Home::Global, "ipv6 routing process", ANY, KERNEL).help("how IPv6 packets are routed", "IPv6の処理方式"),
    host(Home::Global, "ipv6 multicast routing process", ANY, KERNEL)
        .help("how IPv6 multicast is routed", "IPv6マルチキャストの処理方式"),
    host(Home::Global, "ipv6 icmp", ANY, KERNEL).help("how ICMPv6 is answered", "ICMPv6の応答"),
    host(Home::Global, "ipv6 stealth", ANY, NFTABLES).help("drop without an answer", "IPv6のステルス機能"),
    host(Home::Global, "ipv6 rh0 discard", ANY, KERNEL)
        .help("drop routing headers of type 0", "ルーティングヘッダーの破棄"),
    host(Home::Global, "ipv6 max auto address", ANY, KERNEL)
        .help("how many addresses are configured by themselves", "自動設定するIPv6アドレスの数"),
    host(Home::Global, "ipv6 inbound filter", ANY, NFTABLES).help("an inbound filter", "IPv6の入力遮断フィルター"),
    host(Home::Global, "ipv6 policy", ANY, NFTABLES).help("a policy filter", "IPv6のポリシーフィルター"),
    host(Home::Global, "ipv6 reassembly", ANY, KERNEL)
        .help("how fragments are put together", "IPv6フラグメントの再構成"),
    host(Home::Global, "ipv6 LAN dad", OF_LAN, KERNEL)
        .help("detection of duplicate addresses on a LAN", "LANの重複アドレス検出"),
    host(Home::Global, "ipv6 LAN nd", OF_LAN, KERNEL).help("neighbour discovery on a LAN", "LANの近隣探索"),
    host(Home::Global, "ipv6 LAN vrrp", OF_LAN, VRRP).help("VRRP over IPv6 on a LAN", "LANのIPv6のVRRP"),
    host(Home::Global, "ipv6 LAN ospf", OF_LAN, ROUTING).help("OSPFv3 on a LAN", "LANのOSPFv3"),
    host(Home::Global, "ipv6 LAN inbound filter list", OF_LAN, NFTABLES)
        .help("inbound IPv6 filters of a LAN", "LANのIPv6の入力遮断フィルター"),
    host(Home::Pp, "ipv6 pp inbound filter list", ANY, NFTABLES)
        .help("inbound IPv6 filters of callers", "PPのIPv6の入力遮断フィルター"),
    host(Home::Pp, "ipv6 pp ospf", ANY, ROUTING).help("OSPFv3 on the link", "PPのOSPFv3"),
    host(Home::Pp, "ipv6 pp mld", ANY, ROUTING).help("MLD on the link", "PPのMLD"),
    foreign(Home::Pp, "ipv6 pp dad").help("detection of duplicate addresses on the link", "PPの重複アドレス検出"),
    host(Home::Pp, "ip pp forward filter", ANY, NFTABLES)
        .help("which way packets of callers go", "PPのフォワードフィルター"),
    host(Home::Pp, "ip pp igmp", ANY, ROUTING).help("IGMP on the link", "PPのIGMP"),
    host(Home::Pp, "ip pp pim", ANY, ROUTING).help("multicast routing on the link", "PPのPIM"),
    host(Home::Pp, "ip pp rebound", ANY, KERNEL)
        .help("send packets back where they came from", "PPの受信インタフェースへの転送"),
    host(Home::Pp, "ip pp traffic list", ANY, NFTABLES).help("traffic of callers by kind", "PPのトラフィック分類"),
    host(Home::Pp, "ip pp dpi", ANY, NFTABLES).help("filters by application for callers", "PPのアプリケーション制御"),
    foreign(Home::Pp, "pp connect").help("limits of dialling", "発信回数の制限"),
    foreign(Home::Pp, "ppp mp").help("multilink PPP; not for L2TP", "マルチリンクPPPのその他の設定"),
    host(Home::Pp, "queue pp", ANY, TRAFFIC).help("queues of the link", "PPの帯域制御"),
    host(Home::Pp, "speed pp", ANY, TRAFFIC).help("speed of the link", "PPの速度"),
    host(Home::Pp, "url pp", ANY, NFTABLES).help("filters by address of a page for callers", "PPのURLフィルター"),
    foreign(Home::Pp, "account threshold pp").help("limits of charges of the line", "PPの課金の制限"),
    foreign(Home::Pp, "mobile auto connect").help("mobile terminals: connect by itself", "モバイルの自動接続"),
    foreign(Home::Pp, "mobile disconnect").help("mobile terminals: when the line is cut", "モバイルの切断タイマー"),
    foreign(Home::Pp, "mobile access-point name")
        .help("mobile terminals: the access point", "モバイルのアクセスポイント"),
    foreign(Home::Pp, "mobile access limit").help("mobile terminals: limits of use", "モバイルの利用制限"),
    foreign(Home::Pp, "mobile call").help("mobile terminals: limits of dialling", "モバイルの発信制限"),
    foreign(Home::Pp, "mobile dial number").help("mobile terminals: the number dialled", "モバイルの発信先"),
    foreign(Home::Pp, "mobile display caller id").help("mobile terminals: tell who calls", "モバイルの発信者番号通知"),
    foreign(Home::Pp, "netvolante-dns auto hostname pp")
        .help("Yamaha's names for routers", "ネットボランチDNSの自動設定"),
    foreign(Home::Pp, "netvolante-dns hostname host pp")
        .help("Yamaha's names for routers", "ネットボランチDNSのホスト名"),
    foreign(Home::Pp, "netvolante-dns retry interval pp").help("Yamaha's names for routers", "ネットボランチDNSの再送"),
    foreign(Home::Pp, "netvolante-dns timeout pp")
        .help("Yamaha's names for routers", "ネットボランチDNSのタイムアウト"),
    foreign(Home::Pp, "netvolante-dns use pp").help("Yamaha's names for routers", "ネットボランチDNSを使うかどうか"),
    foreign(Home::Global, "netvolante-dns").help("Yamaha's names for routers", "ネットボランチDNSの設定"),
    foreign(Home::Global, "isdn local address").help("our own ISDN number", "自分のISDN番号"),
    foreign(Home::Global, "isdn dsu").help("ISDN: the unit in the router", "ISDNのDSU"),
    foreign(Home::Global, "isdn terminator").help("ISDN: the end of the bus", "ISDNの終端抵抗"),
    foreign(Home::Global, "isdn piafs control").help("ISDN: PIAFS", "PIAFSの設定"),
    host(Home::Tunnel, "ip tunnel intrusion detection", ANY, NFTABLES)
        .help("intrusion detection in the tunnel", "トンネルの不正アクセス検知"),
    host(Home::Tunnel, "ip tunnel forward filter", ANY, NFTABLES)
        .help("which way packets of the tunnel go", "トンネルのフォワードフィルター"),
    host(Home::Tunnel, "ip tunnel igmp", ANY, ROUTING).help("IGMP in the tunnel", "トンネルのIGMP"),
    host(Home::Tunnel, "ip tunnel pim", ANY, ROUTING).help("multicast routing in the tunnel", "トンネルのPIM"),
    host(Home::Tunnel, "ip tunnel rebound", ANY, KERNEL)
        .help("send packets back where they came from", "トンネルの受信インタフェースへの転送"),
    host(Home::Tunnel, "ip tunnel traffic list", ANY, NFTABLES)
        .help("traffic of the tunnel by kind", "トンネルのトラフィック分類"),
    host(Home::Tunnel, "ip tunnel dpi", ANY, NFTABLES)
        .help("filters by application in the tunnel", "トンネルのアプリケーション制御"),
    host(Home::Tunnel, "queue tunnel", ANY, TRAFFIC).help("queues of the tunnel", "トンネルの帯域制御"),
    host(Home::Tunnel, "url tunnel", ANY, NFTABLES)
        .help("filters by address of a page in the tunnel", "トンネルのURLフィルター"),
    foreign(Home::Tunnel, "tunnel name").help(
        "a name of the tunnel; description tunnel is the one that is shown",
        "トンネルの名前(表示されるのはdescription tunnel)",
    ),
    foreign(Home::Tunnel, "tunnel multipoint").help("tunnels with several ends", "マルチポイントトンネル"),
    foreign(Home::Tunnel, "tunnel map-e").help("MAP-E in the tunnel", "トンネルのMAP-E"),
    foreign(Home::Tunnel, "tunnel endpoint local address")
        .help("MAP-E only: this side's end", "MAP-E専用:自分側の端点"),
    foreign(Home::Tunnel, "tunnel endpoint remote address")
        .help("MAP-E only: the peer's end", "MAP-E専用:相手側の端点"),
    foreign(Home::Tunnel, "tunnel ngn call permit").help("NGN only: make calls", "NGN専用:発信を許可するかどうか"),
    foreign(Home::Tunnel, "tunnel ngn fallback").help("NGN only: what stands in", "NGN専用:代わりの回線"),
    foreign(Home::Tunnel, "tunnel ngn interface").help("NGN only: the interface", "NGN専用:使うインタフェース"),
    foreign(Home::Tunnel, "ipsec tunnel outer df-bit")
        .help("whether outer packets may be cut; the kernel sets it", "外側のパケットのDFビット"),
    foreign(Home::Tunnel, "ipsec tunnel fastpath-fragment-function")
        .help("how the fast path treats fragments", "ファストパスのフラグメント処理"),
    foreign(Home::Global, "ipsec ike pki file").help("certificates of IKEv2", "IKEv2の証明書"),
    foreign(Home::Global, "alarm").help("sounds of the router", "アラーム音の設定"),
    foreign(Home::Global, "mail-notify").help("mail about events, as old routers have it", "メール通知(旧機種)"),
    foreign(Home::Global, "cloud").help("VPN to clouds", "クラウド接続"),
    foreign(Home::Global, "qac-tm").help("checks of virus protection", "QAC/TMの設定"),
    foreign(Home::Global, "ap").help("control of access points", "アクセスポイントの制御"),
    foreign(Home::Global, "set").help("variables of the router", "環境変数"),
    foreign(Home::Global, "alias").help("short names of commands", "コマンドの別名"),
    foreign(Home::Global, "license").help("licences of the router", "ライセンス"),
    foreign(Home::Global, "vrx").help("settings of virtual routers", "vRXの設定"),
    foreign(Home::Global, "diagnosis").help("looking for ports that are open", "ポート開放の診断"),
    foreign(Home::Global, "httpd proxy-access").help("pages of other devices through the router", "HTTPプロキシ機能"),
    host(Home::Global, "ssh encrypt algorithm", ANY, SSH).help("ciphers of the SSH client", "SSHクライアントの暗号"),
    host(Home::Global, "ssh known hosts", ANY, SSH).help("known hosts of the SSH client", "SSHクライアントのホスト鍵"),
];
