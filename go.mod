module headwater

go 1.25.0

require github.com/magefile/mage v1.17.2
