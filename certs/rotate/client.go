package rotate

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// overlapManager hands cert-controller a client that keeps old CAs.
//
// cert-controller v0.16.0 forgets the old CA in the moment it makes a new one:
// between its two updates, and until every replica serves the new certificate,
// API server and webhook would not trust each other. It reads only the first
// certificate of ca.crt as its CA and copies all of ca.crt into caBundle, so
// that adding the old CA behind the new one, on the way to the API server, is
// all that is missing.
type overlapManager struct {
	manager.Manager
	client *overlapClient
	config *rest.Config
}

// GetClient hides the manager's.
func (m overlapManager) GetClient() client.Client { return m.client }

// GetConfig hides the manager's.
func (m overlapManager) GetConfig() *rest.Config { return m.config }

type overlapClient struct {
	client.Client
	live    client.Reader // not cached: what is added must be what is there
	options *Options
	now     func() time.Time
}

// Update adds the CAs that are trusted now to what is about to be trusted.
func (c *overlapClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	switch o := object.(type) {
	case *corev1.Secret:
		if client.ObjectKeyFromObject(o) == c.options.secretKey() {
			if err := c.keepInSecret(ctx, o); err != nil {
				return err
			}
		}
	case *unstructured.Unstructured:
		unchanged, err := c.keepInWebhooks(ctx, o)
		if err != nil || unchanged {
			return err
		}
	}
	return c.Client.Update(ctx, object, options...)
}

func (c *overlapClient) keepInSecret(ctx context.Context, secret *corev1.Secret) error {
	var before corev1.Secret
	err := c.live.Get(ctx, client.ObjectKeyFromObject(secret), &before)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read secret %s to keep its CA: %w", c.options.secretKey(), err)
	}
	if bundle := mergeBundles(c.now(), c.options.Overlap, secret.Data[authorityKey], before.Data[authorityKey]); bundle != nil {
		secret.Data[authorityKey] = bundle
	}
	return nil
}

// keepInWebhooks says whether the configuration is the same as the one in the
// cluster, so that cert-controller's update on every event costs nothing.
func (c *overlapClient) keepInWebhooks(ctx context.Context, configuration *unstructured.Unstructured) (unchanged bool, err error) {
	before := &unstructured.Unstructured{}
	before.SetGroupVersionKind(configuration.GroupVersionKind())
	if err := c.live.Get(ctx, client.ObjectKeyFromObject(configuration), before); err != nil {
		return false, fmt.Errorf("read webhook configuration %s to keep its CA: %w", configuration.GetName(), err)
	}
	trusted := webhookBundles(before)
	entries, _, err := unstructured.NestedSlice(configuration.Object, "webhooks")
	if err != nil {
		return false, fmt.Errorf("read entries of webhook configuration %s: %w", configuration.GetName(), err)
	}
	unchanged = configuration.GetResourceVersion() == before.GetResourceVersion()
	for i, entry := range entries {
		fields, _ := entry.(map[string]any)
		current := entryBundle(fields)
		if current == nil {
			continue
		}
		var older []byte
		if i < len(trusted) {
			older = trusted[i]
		}
		bundle := mergeBundles(c.now(), c.options.Overlap, current, older)
		unchanged = unchanged && bytes.Equal(bundle, older)
		if err := unstructured.SetNestedField(fields, base64.StdEncoding.EncodeToString(bundle), "clientConfig", "caBundle"); err != nil {
			return false, fmt.Errorf("set caBundle %d of webhook configuration %s: %w", i, configuration.GetName(), err)
		}
	}
	if err := unstructured.SetNestedSlice(configuration.Object, entries, "webhooks"); err != nil {
		return false, fmt.Errorf("set entries of webhook configuration %s: %w", configuration.GetName(), err)
	}
	return unchanged, nil
}

// webhookBundles are the caBundles of a configuration's entries, nil where
// there is none.
func webhookBundles(configuration *unstructured.Unstructured) [][]byte {
	entries, _, _ := unstructured.NestedSlice(configuration.Object, "webhooks")
	bundles := make([][]byte, len(entries))
	for i, entry := range entries {
		fields, _ := entry.(map[string]any)
		bundles[i] = entryBundle(fields)
	}
	return bundles
}

func entryBundle(entry map[string]any) []byte {
	encoded, _, _ := unstructured.NestedString(entry, "clientConfig", "caBundle")
	bundle, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(bundle) == 0 {
		return nil
	}
	return bundle
}
