// Package peers starts Headwater beside the servers that it is measured and compared with:
// Debian's prometheus and victoria-metrics, and others that the environment names. Each gets
// the same bytes by remote write, on loopback, in a folder of its own.
//
//	go run mage.go bench:peers          the figures, as tables
//	go -C tests/peers test ./...        the answers, compared
//
// A server is begun by [Start] with one of [Kinds], fed by [Feed] with a [DataSet], brought to
// rest on disk by [Server.Settle] and measured by [Server.CPU] and [Server.Memory].
package peers
