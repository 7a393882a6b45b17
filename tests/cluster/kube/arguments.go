package kube

import (
	"context"
	"fmt"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/podflame/podflame/tests/cluster/node"
)

func etcdArguments(directory string, clientPort, peerPort int) []string {
	client := fmt.Sprintf("http://127.0.0.1:%d", clientPort)
	peer := fmt.Sprintf("http://127.0.0.1:%d", peerPort)
	return []string{
		"--data-dir", filepath.Join(directory, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", "default=" + peer,
	}
}

// apiserverArguments are those of an API server on this host, without nodes.
func apiserverArguments(authority *pki, port, etcdPort int) []string {
	return append(anyAPIServer(authority, port, etcdPort),
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
		"--endpoint-reconciler-type", "none", // a loopback address may not be an endpoint
		"--authorization-mode", "RBAC",
	)
}

// nodeAPIServerArguments are those of an API server on a node: pods reach it,
// and it reaches the kubelet.
func nodeAPIServerArguments(authority *pki) []string {
	return append(anyAPIServer(authority, nodeAPIPort, etcdPort),
		"--bind-address", "0.0.0.0", "--advertise-address", node.Address,
		"--kubelet-client-certificate", authority.path("kubelet-client.crt"), "--kubelet-client-key", authority.path("kubelet-client.key"),
		"--kubelet-preferred-address-types", "InternalIP",
		"--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction",
	)
}

func anyAPIServer(authority *pki, port, etcdPort int) []string {
	return []string{
		"kube-apiserver",
		"--etcd-servers", fmt.Sprintf("http://127.0.0.1:%d", etcdPort),
		"--secure-port", fmt.Sprint(port),
		"--cert-dir", authority.directory,
		"--client-ca-file", authority.path("ca.crt"),
		"--tls-cert-file", authority.path("apiserver.crt"), "--tls-private-key-file", authority.path("apiserver.key"),
		"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file", authority.path("sa.pub"), "--service-account-signing-key-file", authority.path("sa.key"),
		"--service-cluster-ip-range", node.Services,
		"--allow-privileged",
	}
}

func controllerManagerArguments(authority *pki, port int) []string {
	return []string{
		"kube-controller-manager",
		"--kubeconfig", authority.path("controller-manager.kubeconfig"),
		"--bind-address", "127.0.0.1", "--secure-port", fmt.Sprint(port), "--cert-dir", authority.directory,
		"--leader-elect=false", "--use-service-account-credentials",
		"--service-account-private-key-file", authority.path("sa.key"), "--root-ca-file", authority.path("ca.crt"),
		"--kube-api-qps", "1000", "--kube-api-burst", "1000", // tests should wait for our webhook, not for its limiter
	}
}

// Token asks the API server for a token of a ServiceAccount; it lasts an hour.
// The audience is the API server's own unless others are named.
func (c *Cluster) Token(ctx context.Context, namespace, serviceAccount string, audiences ...string) (string, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	answer, err := c.Client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, serviceAccount, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("request a token of ServiceAccount %s/%s: %w", namespace, serviceAccount, err)
	}
	return answer.Status.Token, nil
}

func writeKubeconfig(path, server string, ca []byte, user credentials) error {
	return writeConfig(path, server, ca, &api.AuthInfo{ClientCertificateData: user.certificate, ClientKeyData: user.key})
}

func writeConfig(path, server string, ca []byte, user *api.AuthInfo) error {
	config := api.NewConfig()
	config.Clusters["test"] = &api.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos["test"] = user
	config.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", path, err)
	}
	return nil
}
