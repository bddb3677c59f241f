//go:build ignore

// Runs the targets of Magefile.go without mage being installed: `go run mage.go check`.
package main

import (
	"os"

	"github.com/magefile/mage/mage"
)

func main() { os.Exit(mage.Main()) }
