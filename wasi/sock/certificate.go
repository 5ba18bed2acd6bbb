package sock

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"time"

	"github.com/wherry-run/wherry/wasi/preview1"
)

// certificate is what Python's getpeercert says.
type certificate struct {
	Subject   [][2]string `json:"subject"`
	Issuer    [][2]string `json:"issuer"`
	Version   int         `json:"version"`
	Serial    string      `json:"serial"`
	NotBefore string      `json:"notBefore"`
	NotAfter  string      `json:"notAfter"`
	Names     [][2]string `json:"names,omitempty"`
	OCSP      []string    `json:"ocsp,omitempty"`
	Issuers   []string    `json:"issuers,omitempty"`
	CRLs      []string    `json:"crls,omitempty"`
	Authority bool        `json:"authority,omitempty"`
}

// certificateOf reads one in DER.
func certificateOf(der []byte) *reply {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fail(preview1.EINVAL)
	}
	said := &certificate{
		Subject: attributes(c.Subject), Issuer: attributes(c.Issuer), Version: c.Version,
		Serial:    fmt.Sprintf("%X", c.SerialNumber),
		NotBefore: moment(c.NotBefore), NotAfter: moment(c.NotAfter),
		OCSP: c.OCSPServer, Issuers: c.IssuingCertificateURL, CRLs: c.CRLDistributionPoints,
		Authority: c.BasicConstraintsValid && c.IsCA,
	}
	if len(said.Serial)%2 == 1 {
		said.Serial = "0" + said.Serial
	}
	for _, n := range c.DNSNames {
		said.Names = append(said.Names, [2]string{"DNS", n})
	}
	for _, a := range c.IPAddresses {
		said.Names = append(said.Names, [2]string{"IP Address", a.String()})
	}
	for _, a := range c.EmailAddresses {
		said.Names = append(said.Names, [2]string{"email", a})
	}
	for _, u := range c.URIs {
		said.Names = append(said.Names, [2]string{"URI", u.String()})
	}
	return &reply{Cert: said}
}

// moment is a time as OpenSSL prints it.
func moment(t time.Time) string { return t.UTC().Format("Jan _2 15:04:05 2006 GMT") }

// attributes are the parts of a name, by the words of OpenSSL.
func attributes(n pkix.Name) [][2]string {
	list := [][2]string{}
	for _, a := range n.Names {
		word := map[string]string{
			"2.5.4.3": "commonName", "2.5.4.5": "serialNumber", "2.5.4.6": "countryName", "2.5.4.7": "localityName", "2.5.4.8": "stateOrProvinceName",
			"2.5.4.9": "streetAddress", "2.5.4.10": "organizationName", "2.5.4.11": "organizationalUnitName", "2.5.4.17": "postalCode",
			"1.2.840.113549.1.9.1": "emailAddress", "0.9.2342.19200300.100.1.25": "domainComponent",
		}[a.Type.String()]
		if word == "" {
			word = a.Type.String()
		}
		list = append(list, [2]string{word, strings.ToValidUTF8(fmt.Sprint(a.Value), "?")})
	}
	return list
}
