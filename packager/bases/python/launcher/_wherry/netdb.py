"""Names and numbers of hosts, services and protocols, as netdb.h has them."""
import _socket
import errno

from . import sockdoor

SERVICES = {
    "domain": 53, "ftp": 21, "http": 80, "https": 443, "imap": 143, "imaps": 993, "ldap": 389, "ldaps": 636, "mysql": 3306,
    "ntp": 123, "pop3": 110, "pop3s": 995, "postgresql": 5432, "smtp": 25, "ssh": 22, "submission": 587, "telnet": 23,
}


class Refused(_socket.gaierror, PermissionError):
    """A name that may not be looked up."""


def text(host):
    """The name of a host, which may be bytes."""
    if isinstance(host, (bytes, bytearray)):
        return bytes(host).decode("ascii")
    if not isinstance(host, str):
        raise TypeError("str, bytes or bytearray expected, not %s" % host.__class__.__name__)
    return host


def is_address(host):
    """The family that a name is an address of; 0: it is none."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, host)
            return family
        except OSError:
            pass
    return 0


def _ascii(host):
    """A name as it is asked for."""
    try:
        host.encode("ascii")
        return host
    except UnicodeEncodeError:
        return host.encode("idna").decode("ascii")


def _lookup(host):
    """The addresses of a name."""
    told, _ = sockdoor.ask("lookup", host=_ascii(host))
    number = told.get("errno")
    if number == errno.ENOENT:
        raise _socket.gaierror(_socket.EAI_NONAME, "Name or service not known")
    if number == errno.EACCES:
        raise Refused(errno.EACCES, told.get("text") or "looking up %s is not allowed" % host)
    if number:
        raise _socket.gaierror(_socket.EAI_AGAIN, "Temporary failure in name resolution")
    return told["hosts"]


def numeric(host, family):
    """The address that a socket of the family connects to, or binds to."""
    if host == "":
        return "::" if family == _socket.AF_INET6 else "0.0.0.0"
    if host == "<broadcast>":
        return "255.255.255.255"
    if is_address(host):
        return host
    for found in _lookup(host):
        if (":" in found) == (family == _socket.AF_INET6):
            return found
    raise _socket.gaierror(_socket.EAI_NONAME, "Name or service not known")


def _port(port):
    if port is None:
        return 0
    if isinstance(port, (bytes, bytearray)):
        port = port.decode("ascii")
    if isinstance(port, str):
        if port in SERVICES:
            return SERVICES[port]
        if not port.isdecimal():
            raise _socket.gaierror(_socket.EAI_SERVICE, "Servname not supported for ai_socktype")
    return int(port) & 0xFFFF


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """getaddrinfo(host, port [, family, type, proto, flags]) -> list of (family, type, proto, canonname, sockaddr)"""
    number = _port(port)
    if host is None:
        if port is None:
            raise _socket.gaierror(_socket.EAI_NONAME, "Name or service not known")
        found = ["0.0.0.0", "::"] if flags & _socket.AI_PASSIVE else ["127.0.0.1", "::1"]
    else:
        host = text(host)
        if is_address(host):
            found = [host]
        elif flags & _socket.AI_NUMERICHOST or not host:
            raise _socket.gaierror(_socket.EAI_NONAME, "Name or service not known")
        else:
            found = _lookup(host)
    kinds = [(_socket.SOCK_STREAM, _socket.IPPROTO_TCP), (_socket.SOCK_DGRAM, _socket.IPPROTO_UDP)]
    kinds = [(k, p) for k, p in kinds if type in (0, k) and proto in (0, p)]
    list_ = []
    for address in sorted(found, key=lambda a: ":" in a):
        six = ":" in address
        if family not in (0, _socket.AF_INET6 if six else _socket.AF_INET):
            continue
        where = (address, number, 0, 0) if six else (address, number)
        for k, p in kinds:
            name = host if flags & _socket.AI_CANONNAME and host and not list_ else ""
            list_.append((_socket.AF_INET6 if six else _socket.AF_INET, k, p, name, where))
    if not list_:
        raise _socket.gaierror(_socket.EAI_FAMILY if found and not kinds else _socket.EAI_NONAME, "Name or service not known")
    return list_


def gethostbyname(name):
    """gethostbyname(host) -> address"""
    return numeric(text(name), _socket.AF_INET)


def gethostbyname_ex(name):
    """gethostbyname_ex(host) -> (name, aliaslist, addresslist)"""
    found = [name] if is_address(name) else [a for a in _lookup(name) if ":" not in a]
    return name, [], found


def gethostbyaddr(address):
    """gethostbyaddr(host) -> (name, aliaslist, addresslist)"""
    raise _socket.herror(1, "Unknown host")


def getnameinfo(address, flags):
    """getnameinfo(sockaddr, flags) -> (host, port)"""
    return str(address[0]), str(address[1])


def getservbyname(name, protocol=None):
    """getservbyname(servicename[, protocolname]) -> integer"""
    if name not in SERVICES:
        raise OSError("service/proto not found")
    return SERVICES[name]


def getservbyport(port, protocol=None):
    """getservbyport(port[, protocolname]) -> string"""
    for name, number in SERVICES.items():
        if number == port:
            return name
    raise OSError("port/proto not found")


def getprotobyname(name):
    """getprotobyname(name) -> integer"""
    numbers = {"ip": 0, "icmp": 1, "tcp": 6, "udp": 17}
    if name not in numbers:
        raise OSError("protocol not found")
    return numbers[name]


FUNCTIONS = (getaddrinfo, gethostbyname, gethostbyname_ex, gethostbyaddr, getnameinfo, getservbyname, getservbyport, getprotobyname)
