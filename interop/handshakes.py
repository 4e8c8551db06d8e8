#!/usr/bin/env python3
"""What messages 1 to 4 of IKEv1's Main Mode cost a responder: a server, SoftEther and charon, in alternating rounds.

  handshakes.py --server-cmd 'interop/serve target/release/sekisho' [--rounds 3] [--exchanges 600] [--group 14]

`bench handshake` (--probe) is the initiator, on core 0; the responders are held on core 1, one at a time, in the lab's
srv namespace. charon is Debian's, of the strongSwan guest's root, with its own plugins (openssl does the arithmetic)
and no limit on half-open exchanges. Nothing else of a responder's is used. Table on stderr, one JSON object on stdout.
"""
import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

from lab import CACHE, HERE, WAN_SRV, Lab, LabError, end, run, starttime, tree

PSK = "interop-psk"
STRONGSWAN = """
charon {
  load_modular = yes
  dos_protection = no
  half_open_timeout = 30
  plugins { include strongswan.d/charon/*.conf }
}
"""
SWANCTL = f"""
connections {{ any {{
  version = 1
  proposals = aes128-sha1-modp1024,aes128-sha1-modp1536,aes128-sha1-modp2048
  local {{ auth = psk }}
  remote {{ auth = psk }}
  children {{ any {{ mode = transport
    esp_proposals = aes128-sha1 }} }}
}} }}
secrets {{ ike-any {{ secret = "{PSK}" }} }}
"""


def until(what, seconds, ready):
    t = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > t:
            raise LabError(what)
        time.sleep(0.1)


class Server:
    def __init__(self, lab, o):
        self.lab, self.o = lab, o

    def listens(self):
        return ":500 " in self.lab.run("srv", "ss", "-Hlnu")

    def start(self):
        env = dict(os.environ, INTEROP_PSK=PSK)
        self.p = self.lab.spawn("srv", ["taskset", "-c", "1", *shlex.split(self.o.server_cmd)], self.lab.dir / "server.log",
                                "server-cmd", owner=True, env=env)
        until("the server does not listen", 15, self.listens)
        return self.p.pid

    def stop(self):
        end(self.p.pid, self.p.lab_start)
        self.lab.stop("server-cmd")


class SoftEther(Server):
    def start(self):
        run(HERE / "peer-softether.sh", "start", "--lab", self.lab.name, "--psk", PSK)
        # it is started by a process that only waits for it
        processes = tree(self.lab.pid_of("softether"))
        for pid in processes:
            run("taskset", "-a", "-c", "-p", "1", str(pid))
        return max(processes, key=lambda pid: len(os.listdir(f"/proc/{pid}/task")))

    def stop(self):
        run(HERE / "peer-softether.sh", "stop", "--lab", self.lab.name)


class Charon(Server):
    def start(self):
        root, self.d = CACHE / "root-strongswan", pathlib.Path(tempfile.mkdtemp(prefix="charon-", dir=self.lab.dir))
        (self.d / "strongswan.conf").write_text(STRONGSWAN)
        (self.d / "swanctl.conf").write_text(SWANCTL)
        # mounts live in a private mount namespace: they go with the process
        script = f"""
mount --make-rprivate /
mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc && mount --rbind /sys {root}/sys
mount --bind {self.d} {root}/run
mount --bind {self.d}/strongswan.conf {root}/etc/strongswan.conf
mount --bind {self.d}/swanctl.conf {root}/etc/swanctl/swanctl.conf
exec taskset -c 1 chroot {root} /bin/sh -c '/usr/lib/ipsec/charon & sleep 1; swanctl --load-all; wait'
"""
        self.p = self.lab.spawn("srv", ["unshare", "-m", "sh", "-ec", script], self.d / "log", "charon", owner=True)
        pid = self.d / "charon.pid"
        log = lambda: (self.d / "log").read_text(errors="replace")
        until("charon does not start: " + log()[-500:], 15, lambda: "loaded connection 'any'" in log() and pid.exists())
        self.pid = int(pid.read_text())
        self.started = starttime(self.pid)
        return self.pid

    def stop(self):
        end(self.pid, self.started)
        end(self.p.pid, self.p.lab_start)
        self.lab.stop("charon")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--server-cmd", required=True)
    ap.add_argument("--probe", default=str(HERE.parent / "target/release/bench"))
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--exchanges", type=int, default=600)
    ap.add_argument("--group", choices=["2", "5", "14"], default="14")
    ap.add_argument("--lab", default="main")
    ap.add_argument("--out", help="a file for the JSON, too")
    o = ap.parse_args()
    lab = Lab(o.lab)
    made = not lab.has("srv")
    lab.up()
    kinds = {"server": Server, "softether": SoftEther, "charon": Charon}
    found = {name: [] for name in kinds}
    figures = lab.dir / "handshake.json"
    try:
        for n in range(o.rounds):
            for name in list(kinds)[::1 if n % 2 == 0 else -1]:
                peer = kinds[name](lab, o)
                pid = peer.start()
                try:
                    time.sleep(1)
                    # the first ones pay for what is made once
                    for count in ("20", str(o.exchanges)):
                        lab.run("srv", "taskset", "-c", "0", o.probe, "handshake", WAN_SRV, str(pid), o.group, count,
                                env=dict(os.environ, BENCH_JSON=str(figures)))
                    found[name].append(json.loads(figures.read_text()))
                finally:
                    peer.stop()
                print(f"round {n + 1}/{o.rounds} {name}: {found[name][-1]['cpu_ms']:.3f} ms", file=sys.stderr, flush=True)
    finally:
        if made:
            lab.down()
    ours = [r["cpu_ms"] for r in found["server"]]
    out = {"group": o.group, "exchanges": o.exchanges, "rounds": found, "summary": {}}
    for name, rounds in found.items():
        ratios = [r["cpu_ms"] / own for r, own in zip(rounds, ours)]
        out["summary"][name] = s = {"cpu_ms": statistics.median(r["cpu_ms"] for r in rounds), "of_server": statistics.median(ratios),
                                    "range": [min(ratios), max(ratios)], "rate": statistics.median(r["rate"] for r in rounds)}
        print(f"{name:10} {s['cpu_ms']:.3f} ms of CPU an exchange, {s['of_server']:.2f} times the server's "
              f"({s['range'][0]:.2f}-{s['range'][1]:.2f}), {s['rate']:.0f}/s one after another", file=sys.stderr)
    text = json.dumps(out, indent=1)
    if o.out:
        pathlib.Path(o.out).write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    try:
        main()
    except (LabError, subprocess.SubprocessError) as e:
        sys.exit(f"handshakes: {e}")
