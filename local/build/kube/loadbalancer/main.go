// Package loadbalancer gives addresses to services of type LoadBalancer: the
// upstream service controller, with the node's address pool in a cloud's place.
package loadbalancer

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	cloudprovider "k8s.io/cloud-provider"
	servicecontroller "k8s.io/cloud-provider/controllers/service"
	"k8s.io/component-base/featuregate"
	controllersmetrics "k8s.io/component-base/metrics/prometheus/controllers"
)

const name = "load-balancer"

// cloud is a cloud provider that has load balancers and nothing else; a nil
// Interface inside it would be called for what it says it does not have.
type cloud struct {
	cloudprovider.Interface
	pool *pool
}

func (c cloud) LoadBalancer() (cloudprovider.LoadBalancer, bool) { return c.pool, true }

func (c cloud) ProviderName() string { return name }

// Main runs until it is killed: load-balancer --kubeconfig FILE --pool PREFIX.
func Main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	prefix := flag.String("pool", "", "the addresses to give, such as 198.18.64.0/24")
	flag.Parse()
	if err := run(context.Background(), *kubeconfig, *prefix); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig, prefix string) error {
	addresses, err := netip.ParsePrefix(prefix)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services()
	provider := cloud{pool: &pool{prefix: addresses.Masked(), services: services.Lister()}}
	controller, err := servicecontroller.New(
		provider, client, services, factory.Core().V1().Nodes(), "local", featuregate.NewFeatureGate())
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	// One worker, so that two services never race for an address.
	controller.Run(ctx, 1, controllersmetrics.NewControllerManagerMetrics(name))
	return nil
}
