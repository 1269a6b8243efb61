// Command testserver is what the node's tests run in pods.
//
//	testserver               answer on :8080 with who answers and who asks;
//	                         /wait is answered after ten minutes
//	testserver get URL       print what a URL answers
//	testserver lookup NAME   print a name's addresses, one a line
//	testserver connect ADDRESS:PORT …
//	                         print those that take a connection within some seconds
//	testserver trouble ADDRESS CONTROL
//	                         be a version of an app at ADDRESS that stays ready at CONTROL and is
//	                         told there what to do with requests, such as POST /as/hang: answer,
//	                         fail, fifth (fail each fifth), slow (answer after a second), hang,
//	                         refuse (the port is closed), reset, break (in mid-answer)
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 0:
		err = serve()
	case len(args) == 2 && args[0] == "get":
		err = get(args[1])
	case len(args) == 2 && args[0] == "lookup":
		err = lookup(args[1])
	case len(args) > 1 && args[0] == "connect":
		err = connect(args[1:])
	case len(args) == 3 && args[0] == "trouble":
		err = serveTrouble(args[1], args[2])
	default:
		err = fmt.Errorf("usage: testserver [get URL | lookup NAME | connect ADDRESS:PORT … | trouble ADDRESS CONTROL]")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func serve() error {
	pod, err := os.Hostname()
	if err != nil {
		return err
	}
	log.Print("listening on :8080")
	return http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.Print(r.Method, " ", r.URL.Path)
		if r.URL.Path == "/wait" {
			time.Sleep(10 * time.Minute)
		}
		fmt.Fprintf(w, "pod=%s node=%s hostip=%s greeting=%s path=%s\n",
			pod, os.Getenv("NODE_NAME"), os.Getenv("HOST_IP"), os.Getenv("GREETING"), r.URL.Path)
	}))
}

func get(url string) error {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func lookup(name string) error {
	addresses, err := net.LookupHost(name)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(addresses, "\n"))
	return nil
}

// connect fails where one refuses by itself: it does not listen.
func connect(addresses []string) error {
	for _, address := range addresses {
		connection, err := net.DialTimeout("tcp", address, 3*time.Second)
		var failed net.Error
		switch {
		case errors.As(err, &failed) && failed.Timeout():
			continue
		case err != nil:
			return err
		}
		connection.Close()
		fmt.Println(address)
	}
	return nil
}
