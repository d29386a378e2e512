require("http").createServer((request, response) => response.end("shop\n")).listen(8080);
