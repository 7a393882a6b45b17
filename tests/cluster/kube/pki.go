package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is the one certificate authority of a cluster, written to a folder: the
// servers read the files, the clients get their credentials from memory.
type pki struct {
	directory string
	authority *x509.Certificate
	key       *ecdsa.PrivateKey
	caPEM     []byte
	serial    int64
}

// credentials are a certificate and its key, both PEM.
type credentials struct{ certificate, key []byte }

const certificateLife = 24 * time.Hour

func newPKI(directory string) (*pki, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate the key of the test authority: %w", err)
	}
	template := template(1, pkix.Name{CommonName: "podflame-test-ca"})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the test authority: %w", err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the test authority: %w", err)
	}
	made := &pki{directory: directory, authority: authority, key: key, caPEM: encodePEM("CERTIFICATE", der), serial: 1}
	if err := made.write("ca.crt", made.caPEM); err != nil {
		return nil, err
	}
	return made, made.writeServiceAccountKey()
}

// server issues the API server's certificate and writes NAME.crt and NAME.key.
func (p *pki) server(name string) error {
	issued, err := p.issue(pkix.Name{CommonName: name}, x509.ExtKeyUsageServerAuth, func(t *x509.Certificate) {
		t.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	})
	if err != nil {
		return err
	}
	if err := p.write(name+".crt", issued.certificate); err != nil {
		return err
	}
	return p.write(name+".key", issued.key)
}

// client issues a certificate for a user of a group; the group may be empty.
func (p *pki) client(user, group string) (credentials, error) {
	name := pkix.Name{CommonName: user}
	if group != "" {
		name.Organization = []string{group}
	}
	return p.issue(name, x509.ExtKeyUsageClientAuth, func(*x509.Certificate) {})
}

// kubeconfig writes NAME.kubeconfig, which authenticates as a user of a group.
func (p *pki) kubeconfig(name, server, user, group string) error {
	issued, err := p.client(user, group)
	if err != nil {
		return err
	}
	return writeKubeconfig(p.path(name+".kubeconfig"), server, p.caPEM, issued)
}

// nodeCredentials writes what the servers of a node authenticate with.
func (p *pki) nodeCredentials() error {
	for name, user := range map[string][2]string{
		"inside":             {"admin", "system:masters"},
		"controller-manager": {"system:kube-controller-manager", ""},
		"scheduler":          {"system:kube-scheduler", ""},
		"proxy":              {"system:kube-proxy", ""},
		"kubelet":            {"system:node:" + NodeName, "system:nodes"},
		"dns":                {"coredns", ""},
	} {
		if err := p.kubeconfig(name, "https://"+nodeAPI, user[0], user[1]); err != nil {
			return err
		}
	}
	issued, err := p.client("kube-apiserver-kubelet-client", "system:masters")
	if err != nil {
		return err
	}
	return errors.Join(p.write("kubelet-client.crt", issued.certificate), p.write("kubelet-client.key", issued.key))
}

func (p *pki) issue(name pkix.Name, usage x509.ExtKeyUsage, adjust func(*x509.Certificate)) (credentials, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return credentials{}, fmt.Errorf("generate the key of %s: %w", name.CommonName, err)
	}
	p.serial++
	template := template(p.serial, name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	adjust(template)
	der, err := x509.CreateCertificate(rand.Reader, template, p.authority, key.Public(), p.key)
	if err != nil {
		return credentials{}, fmt.Errorf("sign the certificate of %s: %w", name.CommonName, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return credentials{}, fmt.Errorf("encode the key of %s: %w", name.CommonName, err)
	}
	return credentials{encodePEM("CERTIFICATE", der), encodePEM("PRIVATE KEY", keyDER)}, nil
}

// writeServiceAccountKey makes the pair that signs ServiceAccount tokens.
func (p *pki) writeServiceAccountKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generate the ServiceAccount key: %w", err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the ServiceAccount key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode the public ServiceAccount key: %w", err)
	}
	if err := p.write("sa.key", encodePEM("EC PRIVATE KEY", private)); err != nil {
		return err
	}
	return p.write("sa.pub", encodePEM("PUBLIC KEY", public))
}

func (p *pki) path(name string) string { return filepath.Join(p.directory, name) }

func (p *pki) write(name string, content []byte) error {
	if err := os.WriteFile(p.path(name), content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func template(serial int64, name pkix.Name) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      name,
		NotBefore:    time.Now().Add(-time.Hour), // clocks of one machine may step back
		NotAfter:     time.Now().Add(certificateLife),
	}
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
