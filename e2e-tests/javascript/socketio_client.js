// The Node.js program that Core Lightning's documentation of CLNRest has for its Socket.IO, with its ends
// made into arguments: prints each message as a line of JSON.
//
//     socketio_client.js URL RUNE CERTIFICATE
const fs = require('fs');
const io = require('socket.io-client');

const [url, rune, certificate] = process.argv.slice(2);
const options = { extraHeaders: { rune }, ca: fs.readFileSync(certificate), reconnectionDelayMax: 1000 };
const socket = io.connect(url, options);

socket.on('connect', function () {
  console.log('Client Connected');
});

socket.on('disconnect', function (reason) {
  console.log('Server connection closed: ', reason);
});

socket.on('message', function (data) {
  console.log(JSON.stringify(data));
  if (url.includes('consumer=')) {
    socket.emit('ack', data.event_index);
  }
});

socket.on('connect_error', function (err) {
  console.error('Error from server: ', err.message, err.description);
});
