// Command coredns is CoreDNS with only the plugins that a test cluster needs.
//
// The stock program links the SDKs of several clouds, which triples its build.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() {
	// The order in which a query passes the plugins.
	dnsserver.Directives = []string{"errors", "cache", "kubernetes"}
	coremain.Run()
}
