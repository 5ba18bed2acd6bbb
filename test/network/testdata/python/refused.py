"""Tries to reach what nobody may who was allowed "all": prints what it reached, or found out otherwise than by a refusal."""
import socket
import ssl
import sys
import urllib.request

HOSTS = """127.0.0.1 localhost LOCALHOST localhost. 127.0.0.53 ::1 0:0:0:0:0:0:0:1 127.0.0.1. 127.1 2130706433 0x7f000001 0x7f.0.0.0x1
0177.0.0.1 017700000001 \uff11\uff12\uff17.0.0.1 0.0.0.0 :: ::ffff:127.0.0.1 ::ffff:7f00:1 ::127.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
64:ff9b:1::a00:1 2002:7f00:1:: 2001:0:4136:e378:8000:63bf:80ff:fffe 2a00:1450::5efe:7f00:1 169.254.1.1 fe80::1 fe80::1%eth0 ::1%lo
169.254.169.254 ::ffff:169.254.169.254 fd00:ec2::254 100.100.100.200 168.63.129.16 169.254.170.2 10.0.0.1 192.168.1.1 172.31.255.1
100.64.0.1 fd12:3456::1 224.0.0.251 ff02::1 255.255.255.255 host.wherry.internal host.docker.internal""".split()


def tries(host):
    bracketed = "[%s]" % host if ":" in host else host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    yield "create_connection", lambda: socket.create_connection((host, PORT), 3)
    yield "connect", lambda: socket.socket(family).connect((host, PORT))
    yield "datagram", lambda: socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", (host, PORT))
    yield "urllib", lambda: urllib.request.urlopen("http://%s:%d/" % (bracketed, PORT), timeout=3)
    yield "tls", lambda: ssl.get_server_certificate((host, PORT), timeout=3)


PORT = int(sys.argv[1])
count = 0
for host in HOSTS:
    for how, call in tries(host):
        count += 1
        try:
            call()
        except (PermissionError, socket.gaierror, UnicodeError):  # a header cannot have every letter
            continue
        except urllib.error.URLError as e:
            if isinstance(e.reason, (PermissionError, socket.gaierror)):
                continue
            print(how, host, repr(e.reason))
            continue
        except Exception as e:
            print(how, host, repr(e))
            continue
        print(how, host, "was reached")
print(count, "refused")
