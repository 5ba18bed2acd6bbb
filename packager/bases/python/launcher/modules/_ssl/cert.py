"""Certificates: the host reads them."""
import base64

from _wherry import sockdoor

from .data import ENCODING_DER, ENCODING_PEM


def decoded(der):
    """What getpeercert says of a certificate."""
    c = sockdoor.check(sockdoor.ask("certificate", der)[0])["certificate"]
    said = {"subject": tuple((tuple(p),) for p in c["subject"]), "issuer": tuple((tuple(p),) for p in c["issuer"]),
            "version": c["version"], "serialNumber": c["serial"], "notBefore": c["notBefore"], "notAfter": c["notAfter"]}
    for name, key in (("subjectAltName", "names"), ("OCSP", "ocsp"), ("caIssuers", "issuers"), ("crlDistributionPoints", "crls")):
        if c.get(key):
            said[name] = tuple(tuple(v) if isinstance(v, list) else v for v in c[key])
    return said, c.get("authority", False)


def _test_decode_cert(path):
    """The certificate in a file of PEM."""
    with open(path) as f:
        return decoded(blocks(f.read())[0])[0]


def blocks(text):
    """The certificates of a text in PEM, as DER."""
    found = []
    for part in text.split("-----BEGIN CERTIFICATE-----")[1:]:
        found.append(base64.b64decode(part.partition("-----END")[0]))
    return found


class Certificate:
    """A certificate of a peer."""

    def __init__(self, der):
        self._der = der

    def public_bytes(self, format=ENCODING_PEM):
        """It, as PEM or DER."""
        if format == ENCODING_DER:
            return self._der
        text = base64.encodebytes(self._der).decode().replace("\n", "")
        lines = "\n".join(text[i:i + 64] for i in range(0, len(text), 64))
        return "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % lines

    def get_info(self):
        """What it says."""
        return decoded(self._der)[0]
