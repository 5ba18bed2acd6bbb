module guest-go

go 1.24
