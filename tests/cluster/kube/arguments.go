package kube

import (
	"context"
	"fmt"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
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

func apiserverArguments(authority *pki, port, etcdPort int) []string {
	return []string{
		"kube-apiserver",
		"--etcd-servers", fmt.Sprintf("http://127.0.0.1:%d", etcdPort),
		"--bind-address", "127.0.0.1", "--secure-port", fmt.Sprint(port), "--advertise-address", "127.0.0.1",
		"--endpoint-reconciler-type", "none", // a loopback address may not be an endpoint
		"--cert-dir", authority.directory,
		"--client-ca-file", authority.path("ca.crt"),
		"--tls-cert-file", authority.path("apiserver.crt"), "--tls-private-key-file", authority.path("apiserver.key"),
		"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file", authority.path("sa.pub"), "--service-account-signing-key-file", authority.path("sa.key"),
		"--service-cluster-ip-range", "10.96.0.0/16",
		"--authorization-mode", "RBAC", "--allow-privileged",
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
