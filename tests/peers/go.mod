module headwater/tests/peers

go 1.25.6

require (
	github.com/klauspost/compress v1.18.2
	golang.org/x/sys v0.40.0
	google.golang.org/protobuf v1.36.11
)
