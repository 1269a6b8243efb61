// Command network-policies enforces NetworkPolicies on one node, by the library
// that kind's network plugin uses: each connection's first packet comes from
// the kernel (NFQUEUE), and goes on or is dropped by what the policies say.
//
// The library's own nftables rules need nft_queue, which many kernels lack. A
// rule of iptables that does the same needs only xt_NFQUEUE. Where the kernel
// has both, a packet passes both ways with the same verdict.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

const queue = 100

// The chain is nobody else's: kube-proxy has tables of its own, and the plugin
// for hostPorts works in `nat`. It comes after kube-proxy has turned an address
// of a service into a pod's, and before any sender's address is changed.
const clear = "*mangle\n-F POSTROUTING\n%sCOMMIT\n"

// What the node itself sends passes, as Kubernetes has it: kubelet's probes.
// A library that has not started yet lets everything pass.
var divert = fmt.Sprintf(`-A POSTROUTING -m owner --uid-owner 0 -j RETURN
-A POSTROUTING -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
-A POSTROUTING ! -o lo -j NFQUEUE --queue-num %d --queue-bypass
`, queue)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the kubeconfig to use")
	node := flag.String("hostname-override", "", "the node's name in Kubernetes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, *node); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig, node string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	policies := factory.Networking().V1().NetworkPolicies()
	core := factory.Core().V1()
	controller, err := networkpolicy.NewController(
		client, policies, core.Namespaces(), core.Pods(), nil, nil, nil, nil,
		networkpolicy.Config{NodeName: node, QueueID: queue, FailOpen: true},
	)
	if err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	if err := announce(policies.Informer(), changed); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	go divertWhileNeeded(ctx, changed, func() bool {
		found, err := policies.Lister().List(labels.Everything())
		return err == nil && len(found) > 0
	})
	return controller.Run(ctx)
}

// announce says on `changed` whenever there may be other policies.
func announce(informer cache.SharedIndexInformer, changed chan<- struct{}) error {
	say := func(any) {
		select {
		case changed <- struct{}{}:
		default: // it has been said, and not yet been heard
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: say, DeleteFunc: say})
	return err
}

// divertWhileNeeded has the kernel ask only while there is a policy: without
// one, connections cost what they did.
func divertWhileNeeded(ctx context.Context, changed <-chan struct{}, needed func() bool) {
	for {
		if err := set(needed()); err != nil {
			klog.ErrorS(err, "Packets cannot be diverted: no policy is enforced")
			select {
			case <-ctx.Done():
				return
			case <-time.After(5 * time.Second):
				continue
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// set makes or removes the rules, all at once, whatever there is of them.
func set(diverting bool) error {
	rules := ""
	if diverting {
		rules = divert
	}
	restore := exec.Command("iptables-restore", "--noflush", "--wait")
	restore.Stdin = strings.NewReader(fmt.Sprintf(clear, rules))
	if said, err := restore.CombinedOutput(); err != nil {
		return fmt.Errorf("iptables-restore: %w: %s", err, said)
	}
	return nil
}
