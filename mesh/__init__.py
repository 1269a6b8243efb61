"""The linkerd 1.x service mesh: namerd, linkerd on each node, and the routing tables."""
